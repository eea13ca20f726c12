"""The workflow of work on machines, awaited."""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO

from jobyard.aio.job import AsyncJob
from jobyard.model.definition import ResultStatus
from jobyard.model.job import Job
from jobyard.workflow import Named
from jobyard.yard import Yard

__all__ = ["AsyncWorkflow"]

_in_thread = asyncio.to_thread
_Job = AsyncJob[Any] | Job[Any] | int


class AsyncWorkflow:
    """The operations of work on machines, see `yard.workflow`."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    async def new_job(self, definition: Named | str, interval: float | str | None = None) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.new_job, definition, interval))

    async def delete_pending_job(self, definition: Named | str) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.delete_pending_job, definition))

    async def request_job(self, job: _Job, user: str | None = None) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.request_job, _plain(job), user))

    async def start_job(self, job: _Job, machine: Named | str) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.start_job, _plain(job), machine))

    async def update_heartbeat(self, job: _Job, logtail: str = "", *, epoch: int | None = None) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.update_heartbeat, _plain(job), logtail, epoch=epoch))

    async def finish_job(
        self,
        job: _Job,
        status: ResultStatus | str,
        logfile: bytes | str | BinaryIO | None = None,
        *,
        epoch: int | None = None,
    ) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.finish_job, _plain(job), status, logfile, epoch=epoch))

    async def reclaim_job(self, job: _Job, *, epoch: int | None = None) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self._yard.workflow.reclaim_job, _plain(job), epoch=epoch))

    async def get_job_for_machine(
        self, name: Named | str, limit: int, queue: str | None = None
    ) -> AsyncJob[Any] | None:
        job = await _in_thread(self._yard.workflow.get_job_for_machine, name, limit, queue)
        return None if job is None else AsyncJob(job)

    async def is_job_due(self, queue: str | None = None) -> bool:
        return await _in_thread(self._yard.workflow.is_job_due, queue)

    async def reclaim_stale(self) -> list[AsyncJob[Any]]:
        return [AsyncJob(job) for job in await _in_thread(self._yard.workflow.reclaim_stale)]


def _plain(job: _Job) -> Job[Any] | int:
    return job.job if isinstance(job, AsyncJob) else job
