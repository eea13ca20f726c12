"""
The end of an op in a transaction of the caller's (`ctx.finish`): work and outcome are committed together, or neither.

For the last op this does all that a worker's finish does. After a rollback the ordinary outcome counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jobyard.model.definition import fitting
from jobyard.model.messages import Ended
from jobyard.model.ranking import is_requested, rank
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import CODES, Status
from jobyard.store.foreign import notice_plan
from jobyard.store.jobs import Finish, finish_params, json_text
from jobyard.store.plans import Plan, Query
from jobyard.store.queues import queue_of
from jobyard.store.recurrence import End

if TYPE_CHECKING:
    from jobyard.store import Store

__all__ = ["Ending", "finish_plan"]


class Ending(Protocol):
    """What `ctx.finish` says: the run, its op, the encoded result, and when its code began."""

    @property
    def row(self) -> JobRow: ...
    @property
    def op(self) -> int: ...
    @property
    def result(self) -> str | None: ...
    @property
    def last(self) -> bool: ...
    @property
    def result_status(self) -> str | None: ...
    @property
    def began(self) -> int: ...


def finish_plan(store: Store, ending: Ending) -> Plan[bool]:
    """End the op. False: the run no longer holds its job, and nothing was written."""
    row, jobs, now = ending.row, store.jobs, store.now()
    held = yield Query(jobs.sql.hold, {"id": row.id, "epoch": row.epoch, "lines": 0})
    if not held:
        return False
    if row.op_count > 1:
        yield from _write_op(store, ending, now)
    if not ending.last:
        yield from _advance(store, ending)
        return True
    succeeded = CODES["succeeded"]
    end = Finish(row.id, row.epoch, succeeded, ending.result, None, ending.began or None)
    yield Query(jobs.sql.finish, finish_params([end], now))
    yield from jobs.releaser.release({row.id: succeeded}, now)
    if row.definition is not None:
        said = fitting(Status.SUCCEEDED, Ended.RETURNED, ending.result_status)
        yield from jobs.recurrence.ended([End(row, Status.SUCCEEDED, said)], now)
    yield from notice_plan(store)
    return True


def _write_op(store: Store, ending: Ending, now: int) -> Plan[None]:
    op = yield from _op(store, ending.row.id, ending.op)
    op.result, op.ended_at, op.exec_at = ending.result, now, ending.began or None
    op.started_at = op.started_at or ending.row.started_at
    yield Query(store.jobs.sql.change_op, store.jobs.op_values(op))


def _advance(store: Store, ending: Ending) -> Plan[None]:
    row = ending.row
    rows = yield Query(store.jobs.sql.ops, {"ids": json_text([row.id])})
    left = [OpRow(*values) for values in rows][ending.op + 1 :]
    known = yield Query(store.queues.sql.get, {"name": row.queue})
    aging = queue_of(known[0]).aging if known else None
    priority = min(op.priority for op in left)
    requested = is_requested(row.rank, row.priority, row.due, aging=aging)
    values = {
        "id": row.id,
        "epoch": row.epoch,
        "cursor": ending.op,
        "task": left[0].task,
        "priority": priority,
        "rank": rank(priority, row.due, requested=requested, aging=aging),
    }
    yield Query(store.jobs.sql.advance, values)


def _op(store: Store, job: int, index: int) -> Plan[OpRow]:
    rows = yield Query(store.jobs.sql.ops, {"ids": json_text([job])})
    return OpRow(*rows[index])
