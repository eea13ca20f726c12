"""What running code needs of the yard (`context.Link`): jobs to look at, jobs to make, and the caller's transaction."""

from __future__ import annotations

from typing import Any

from jobyard.context import Finish, Link, Parent
from jobyard.errors import StaleRun, UsageError
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow, OpRow
from jobyard.store.finish import finish_plan
from jobyard.store.foreign import async_transaction_on, insert_plan, transaction_on
from jobyard.store.insert import Stored
from jobyard.store.plans import Plan, Query, arun, run
from jobyard.task import CallOptions, new_job

__all__ = ["Linking"]


class Linking:
    """Makes the link of one yard."""

    def __init__(self, yard: Any) -> None:
        self._yard = yard

    def link(self) -> Link:
        return Link(
            make_job=self._make_job,
            new_job=self._new_job,
            stored=self._stored,
            enqueue=self._enqueue,
            aenqueue=self._aenqueue,
            finish=self._finish,
            afinish=self._afinish,
            started=self._yard.process_started,
            stopped=self._yard.process_stopped,
        )

    def _make_job(self, row: JobRow, ops: list[OpRow] | None) -> Job[Any]:
        return Job.of_row(row, self._yard.control, self._yard, ops=ops)

    def _stored(self, row: JobRow, existing: bool) -> Job[Any]:
        return Job.of_row(row, self._yard.control, self._yard, existing=existing)

    def _new_job(self, ops: tuple[Any, ...], options: dict[str, Any]) -> NewJob:
        if len(ops) == 1 and isinstance(ops[0], NewJob):
            if options:
                msg = f"ctx.enqueue(): {next(iter(options))}= goes with ops; a NewJob has its options already"
                raise UsageError(msg)
            return ops[0]
        return new_job(ops, CallOptions().merged(options, self._yard), self._yard.tasks)  # type: ignore[arg-type]

    def _enqueue(self, connection: Any, ops: tuple[Any, ...], options: dict[str, Any], parent: Parent) -> Job[Any]:
        transaction = transaction_on(connection, self._yard.store)
        stored = run(self._child(self._new_job(ops, options), parent), transaction)
        return self._stored(stored.row, stored.existing)

    async def _aenqueue(
        self, connection: Any, ops: tuple[Any, ...], options: dict[str, Any], parent: Parent
    ) -> Job[Any]:
        transaction = await async_transaction_on(connection, self._yard.store)
        stored = await arun(self._child(self._new_job(ops, options), parent), transaction)
        return self._stored(stored.row, stored.existing)

    def _child(self, new: NewJob, parent: Parent) -> Plan[Stored]:
        store = self._yard.store
        held = yield Query(store.jobs.sql.hold, {"id": parent.id, "epoch": parent.epoch, "lines": 0})
        if not held:
            raise stale(parent.id)
        stored = yield from insert_plan(store, [new])
        return stored[0]

    def _finish(self, connection: Any, finish: Finish) -> None:
        store = self._yard.store
        if not run(finish_plan(store, finish), transaction_on(connection, store)):
            raise stale(finish.row.id)

    async def _afinish(self, connection: Any, finish: Finish) -> None:
        store = self._yard.store
        if not await arun(finish_plan(store, finish), await async_transaction_on(connection, store)):
            raise stale(finish.row.id)


def stale(id: int) -> StaleRun:
    return StaleRun(
        f"job {id} is no longer held by this run (it was reclaimed or ended elsewhere); nothing was written"
    )
