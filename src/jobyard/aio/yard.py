"""
`AsyncYard`: the verbs of a yard, awaited.

Each is one hop into a thread, since the store is synchronous. What may wait for long, the end of a job or a change of
it, holds no thread meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from jobyard.aio.definitions import AsyncDefinitions
from jobyard.aio.job import AsyncJob
from jobyard.aio.machines import AsyncMachines
from jobyard.aio.workflow import AsyncWorkflow
from jobyard.config import Settings
from jobyard.model.audit import Event
from jobyard.model.events import Happening
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.op import Op
from jobyard.model.retry import Retry
from jobyard.model.states import Status
from jobyard.store.prune import Pruned
from jobyard.task import CallKeywords, Decorator, Duration
from jobyard.worker import Summary, Worker
from jobyard.yard import NO_CHANGE, Change, QueueInfo, Yard
from jobyard.yard.changes import NoChange, change_of
from jobyard.yard.queues import UNSET
from jobyard.yard.waiting import auntil, still_running

__all__ = ["AsyncQueues", "AsyncWorker", "AsyncYard"]

R = TypeVar("R")
H = TypeVar("H", bound=Happening)
F = TypeVar("F", bound=Callable[[], object])
_FOUND = TypeVar("_FOUND")

_in_thread = asyncio.to_thread


class AsyncQueues:
    """The queues of a yard, see `yard.queues`."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    async def list(self) -> list[QueueInfo]:
        return await _in_thread(self._yard.queues.list)

    async def get(self, name: str) -> QueueInfo:
        return await _in_thread(self._yard.queues.get, name)

    async def pause(self, name: str) -> QueueInfo:
        return await _in_thread(self._yard.queues.pause, name)

    async def drain(self, name: str) -> QueueInfo:
        return await _in_thread(self._yard.queues.drain, name)

    async def resume(self, name: str) -> QueueInfo:
        return await _in_thread(self._yard.queues.resume, name)


class AsyncWorker:
    """A `Worker` in a thread of its own, awaited. A canceled await stops it, and waits for its runs as `stop` does."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    async def run(self) -> int:
        return await self._awaited(self.worker.run)

    async def run_until_idle(self) -> Summary:
        return await self._awaited(self.worker.run_until_idle)

    def stop(self) -> None:
        """Stop as the first SIGTERM does; a second call as the second one."""
        self.worker.stop()

    async def _awaited(self, run: Callable[[], R]) -> R:
        running = asyncio.ensure_future(_in_thread(run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.worker.stop()
            await asyncio.wait([running])
            raise


class AsyncYard:
    """
    A `Yard` whose verbs are awaited, and so are those of its jobs.

    >>> async def main() -> None:
    ...     async with AsyncYard("sqlite:///shop.db") as yard:
    ...         job = await yard.enqueue(thumbnail.op("cat.png"))
    ...         await job.wait(timeout=30)
    ...         print(job.result)

    Tasks are the same objects for both: ``await thumbnail.aenqueue("cat.png")`` gives a `Job`, whose async verbs have a
    leading ``a``; ``AsyncJob(job)`` has them without.

    Args:
        yard: the yard to use, or a URL to open one.
        settings: for a URL, those of `Yard`.
    """

    def __init__(self, yard: Yard | str | None = None, **settings: Any) -> None:
        if isinstance(yard, Yard) and settings:
            msg = f"{next(iter(settings))}=: this yard has its settings already; give them with a URL"
            raise TypeError(msg)
        self.yard = yard if isinstance(yard, Yard) else Yard(yard, **settings)
        self.queues = AsyncQueues(self.yard)
        self.definitions = AsyncDefinitions(self.yard)
        self.machines = AsyncMachines(self.yard)
        self.workflow = AsyncWorkflow(self.yard)

    @property
    def task(self) -> Decorator:
        return self.yard.task

    @property
    def settings(self) -> Settings:
        return self.yard.settings

    @property
    def url(self) -> str:
        return self.yard.url

    def __repr__(self) -> str:
        return f"<Async{repr(self.yard)[1:]}"

    async def install(self) -> None:
        await _in_thread(self.yard.install)

    async def upgrade(self) -> list[int]:
        return await _in_thread(self.yard.upgrade)

    async def uninstall(self) -> None:
        await _in_thread(self.yard.uninstall)

    async def close(self) -> None:
        await _in_thread(self.yard.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def enqueue(self, *ops: Op, **options: Unpack[CallKeywords]) -> AsyncJob[Any]:
        return AsyncJob(await self.yard.aenqueue(*ops, **options))

    async def enqueue_many(self, jobs: Iterable[NewJob], *, connection: Any = None) -> list[AsyncJob[Any]]:
        return [AsyncJob(job) for job in await self.yard.aenqueue_many(jobs, connection=connection)]

    def new(self, *ops: Op, **options: Unpack[CallKeywords]) -> NewJob:
        return self.yard.new(*ops, **options)

    async def build(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | AsyncJob[Any] | int | None] | None = None,
    ) -> AsyncJob[Any]:
        return await self.definitions.build(name, build_deps, build_revdeps, pins)

    def insert_statement(self, new: NewJob, paramstyle: str = "named") -> tuple[str, Any]:
        return self.yard.insert_statement(new, paramstyle)

    async def job(self, id: int) -> AsyncJob[Any]:
        return AsyncJob(await _in_thread(self.yard.job, id))

    async def jobs(
        self,
        *,
        status: Status | str | Collection[Status | str] | None = None,
        queue: str | Collection[str] | None = None,
        task: str | Collection[str] | None = None,
        definition: str | None = None,
        requester: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order: Literal["id", "-id"] = "-id",
        limit: int | None = 100,
    ) -> list[AsyncJob[Any]]:
        found = await _in_thread(
            self.yard.jobs,
            status=status,
            queue=queue,
            task=task,
            definition=definition,
            requester=requester,
            since=since,
            until=until,
            order=order,
            limit=limit,
        )
        return [AsyncJob(job) for job in found]

    async def count(self, by: Sequence[str] | str = ("queue", "status")) -> Any:
        return await _in_thread(self.yard.count, by)

    async def wait(self, jobs: Iterable[AsyncJob[Any]], timeout: float | None = None) -> list[AsyncJob[Any]]:
        deadline = None if timeout is None else time.monotonic() + timeout
        return [await job.wait(None if deadline is None else max(0.0, deadline - time.monotonic())) for job in jobs]

    async def as_completed(
        self, jobs: Iterable[AsyncJob[Any]], timeout: float | None = None
    ) -> AsyncIterator[AsyncJob[Any]]:
        left = {job.id: job for job in jobs}
        deadline = None if timeout is None else time.monotonic() + timeout
        control, driver = self.yard.control, self.yard.store.driver
        while left:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            ended = await auntil(driver, lambda: control.ended_of(left) or None, remaining)
            if ended is None:
                raise still_running(len(left), timeout)
            for id in ended:
                yield await left.pop(id).refresh()

    async def wait_for_change(
        self,
        id: int,
        fields: Sequence[str],
        previous: Sequence[Any] | None = None,
        newer_than: int | None = None,
        timeout: float | None = None,
    ) -> Change | NoChange:
        yard = self.yard
        found = await auntil(yard.store.driver, lambda: change_of(yard.job(id), fields, previous, newer_than), timeout)
        return NO_CHANGE if found is None else found

    async def queue(
        self,
        name: str,
        *,
        priority: int | None = UNSET,
        retry: int | bool | Retry | None = UNSET,
        timeout: Duration | None = UNSET,
        aging: Duration | None = UNSET,
    ) -> QueueInfo:
        return await _in_thread(self.yard.queue, name, priority=priority, retry=retry, timeout=timeout, aging=aging)

    async def events(
        self,
        *,
        kind: str | None = None,
        job: int | Job[Any] | AsyncJob[Any] | None = None,
        definition: str | None = None,
        machine: str | None = None,
        user: str | None = None,
        since: datetime | None = None,
        limit: int | None = 100,
    ) -> list[Event]:
        return await _in_thread(
            self.yard.events,
            kind=kind,
            job=job.job if isinstance(job, AsyncJob) else job,
            definition=definition,
            machine=machine,
            user=user,
            since=since,
            limit=limit,
        )

    async def prune(self, *, dry_run: bool = False) -> Pruned:
        return await _in_thread(self.yard.prune, dry_run=dry_run)

    def worker(
        self,
        queues: Iterable[str] | str | None = None,
        concurrency: int | None = None,
        processes: int | None = None,
        name: str | None = None,
    ) -> AsyncWorker:
        return AsyncWorker(self.yard.worker(queues, concurrency, processes, name))

    def on(self, kind: type[H]) -> Callable[[Callable[[H], _FOUND]], Callable[[H], _FOUND]]:
        return self.yard.on(kind)

    def on_start(self, function: F) -> F:
        return self.yard.on_start(function)

    def on_stop(self, function: F) -> F:
        return self.yard.on_stop(function)
