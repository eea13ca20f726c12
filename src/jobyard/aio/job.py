"""A job whose verbs are awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from jobyard.model.job import Job
from jobyard.model.newjob import JobOptions
from jobyard.model.op import Attempt, LogEntry, Op
from jobyard.model.progress import Progress
from jobyard.model.references import Reference, Retval
from jobyard.model.states import Status
from jobyard.model.traceback import RemoteError, StackTrace
from jobyard.model.why import Reason
from jobyard.yard import Yard

__all__ = ["AsyncJob"]

R = TypeVar("R")

_in_thread = asyncio.to_thread


class AsyncJob(Reference, Generic[R]):
    """
    A `Job` whose verbs are awaited; ``await job`` waits for its end.

    The attributes are those of the job, which is a snapshot. For a job of several ops, `ops`, and for any job
    `attempts`, `progress`, `worker`, `machine` and `heartbeat`, take a short read of the store.

    Args:
        job: such as ``await task.aenqueue(...)`` gives, whose own async verbs have a leading ``a``.
    """

    __slots__ = ("job",)

    id: int
    status: Status
    priority: int
    queue: str
    ops: list[Op]
    options: JobOptions
    title: str
    tags: tuple[str, ...]
    attempt: int
    epoch: int
    attempts: list[Attempt]
    due: datetime
    requester: str | None
    definition: str | None
    received_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    machine: str | None
    heartbeat: datetime | None
    logtail: str | None
    log_serial: int
    progress: list[Progress]
    error: RemoteError | None
    existing: bool
    yard: Any

    def __init__(self, job: Job[R]) -> None:
        self.job = job

    def __getattr__(self, name: str) -> Any:
        if name not in AsyncJob.__annotations__:
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(self.job, name)

    @property
    def result(self) -> R:
        """See `Job.result`."""
        return self.job.result

    @classmethod
    def restore(cls, state: Mapping[str, Any], yard: Any = None) -> AsyncJob[Any]:
        return AsyncJob(Job.restore(state, yard if isinstance(yard, Yard) else getattr(yard, "yard", None)))

    async def serialize(self) -> dict[str, Any]:
        return await _in_thread(self.job.serialize)

    async def calc_status(self) -> Status:
        return await _in_thread(self.job.calc_status)

    async def calc_priority(self) -> int:
        return await _in_thread(self.job.calc_priority)

    async def get_log_entries(self, newer_than: int | None = None) -> list[LogEntry]:
        return await _in_thread(self.job.get_log_entries, newer_than)

    async def get_info(self, fields: Sequence[str]) -> list[Any]:
        return await _in_thread(self.job.get_info, fields)

    async def mark_unfinished_ops(self, status: Status | str, result: Any = None) -> None:
        await _in_thread(self.job.mark_unfinished_ops, status, result)

    async def finalize(self) -> None:
        await _in_thread(self.job.finalize)

    async def cancel(self) -> tuple[bool, str]:
        return await _in_thread(self.job.cancel)

    async def change_priority(self, priority: int) -> tuple[bool, str]:
        return await _in_thread(self.job.change_priority, priority)

    async def refresh(self) -> AsyncJob[R]:
        await _in_thread(self.job.refresh)
        return self

    async def wait(self, timeout: float | None = None) -> AsyncJob[R]:
        await self.job.await_(timeout)
        return self

    async def retry(self) -> AsyncJob[R]:
        await _in_thread(self.job.retry)
        return self

    async def suspend(self) -> AsyncJob[R]:
        await _in_thread(self.job.suspend)
        return self

    async def resume(self) -> AsyncJob[R]:
        await _in_thread(self.job.resume)
        return self

    async def run_now(self) -> AsyncJob[R]:
        await _in_thread(self.job.run_now)
        return self

    async def why(self) -> list[Reason]:
        return await _in_thread(self.job.why)

    async def stack(self, timeout: float = 5.0) -> StackTrace:
        trace: StackTrace = await _in_thread(self.job.stack, timeout)
        return trace

    def as_retval(self) -> Retval:
        return self.job.as_retval()

    def __await__(self) -> Generator[Any, None, AsyncJob[R]]:
        return self.wait().__await__()

    def __eq__(self, other: object) -> bool:
        return self.job == (other.job if isinstance(other, AsyncJob) else other)

    def __hash__(self) -> int:
        return hash(self.job)

    def __repr__(self) -> str:
        return f"<Async{repr(self.job)[1:]}"
