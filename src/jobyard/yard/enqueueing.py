"""Storing new jobs: in a transaction of our own, or in the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jobyard.errors import BadArguments
from jobyard.model.emitter import Emitter
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow
from jobyard.store import Store
from jobyard.store.foreign import async_transaction_on, insert_plan, transaction_on
from jobyard.store.insert import Stored
from jobyard.store.plans import arun, run

__all__ = ["Enqueuer", "check_new"]


class Enqueuer:
    """
    Stores the new jobs of one yard.

    Args:
        job: makes the job of a row; the flag says that it had existed.
    """

    def __init__(self, store: Store, emitter: Emitter, job: Callable[[JobRow, bool], Job[Any]]) -> None:
        self._store = store
        self._emitter = emitter
        self._job = job

    def one(self, new: NewJob, connection: Any = None) -> Job[Any]:
        """See `Yard.enqueue_new`."""
        check_new(new)
        [stored] = self._stored([new], connection)
        return self._job(stored.row, stored.existing)

    def many(self, jobs: Iterable[NewJob], connection: Any = None) -> list[Job[Any]]:
        """See `Yard.enqueue_many`."""
        new_jobs = _checked(jobs)
        stored = self._stored(new_jobs, connection) if new_jobs else []
        return [self._job(row, existing) for row, existing in stored]

    async def amany(self, jobs: Iterable[NewJob], connection: Any = None) -> list[Job[Any]]:
        """See `Yard.aenqueue_many`."""
        new_jobs = _checked(jobs)
        if connection is None:
            import asyncio  # costs more to import than the rest of jobyard

            return await asyncio.to_thread(self.many, new_jobs)
        transaction = await async_transaction_on(connection, self._store)
        stored = await arun(insert_plan(self._store, new_jobs), transaction)
        return [self._job(row, existing) for row, existing in stored]

    def _stored(self, jobs: Sequence[NewJob], connection: Any) -> list[Stored]:
        store = self._store
        if connection is not None:
            return run(insert_plan(store, jobs), transaction_on(connection, store))
        stored = [store.enqueue(jobs[0])] if len(jobs) == 1 else store.enqueue_many(jobs)
        if self._emitter.has_subscribers:
            self._tell(row for row, existing in stored if not existing)
        return stored

    def _tell(self, rows: Iterable[JobRow]) -> None:
        from jobyard.model.events import JobEnqueued  # where nobody listens, the happenings are not even loaded

        if self._emitter.wants(JobEnqueued):
            for row in rows:
                self._emitter.emit(JobEnqueued(row.id, row.queue, row.task))


def check_new(new: NewJob) -> None:
    """Raises `BadArguments` for what is no job that a caller may store."""
    if not isinstance(new, NewJob):
        msg = f"{new!r} is no new job: make one with task.new(...) or yard.new(...)"
        raise BadArguments(msg)
    for op in new.ops:
        for ref in op.refs:
            if ref.name is not None:
                msg = f"retval({ref.name!r}) stands for a definition's result, which only a definition can have"
                raise BadArguments(msg)


def _checked(jobs: Iterable[NewJob]) -> list[NewJob]:
    new_jobs = list(jobs)
    for new in new_jobs:
        check_new(new)
    return new_jobs
