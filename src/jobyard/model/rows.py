"""
The persistent record of a job, as it lies in the store and as it travels to the slots.

The order of the fields is the order of the columns: a row read with ``select *`` becomes a record by ``JobRow(*row)``.
Instants are integer microseconds since the epoch, UTC. JSON is text.
"""

from __future__ import annotations

import msgspec

__all__ = ["JobRow", "OpRow"]


class JobRow(msgspec.Struct, array_like=True, gc=False, kw_only=False):
    """One row of ``jobs``. `status` is the code of `states.CODES`; a due ``scheduled`` job still has that code here."""

    id: int
    status: int
    queue: str
    task: str
    """The task of the op at the cursor."""
    rank: int
    """What claims are ordered by, see `ranking.rank`."""
    priority: int
    due: int
    epoch: int
    attempt: int
    failures: int
    """Failed attempts since the last explicit retry: what a retry policy counts."""
    crashes: int
    """Reclaims in all: what `max_crashes` counts."""
    open_parents: int
    cursor: int
    """Index of the op that is next or running."""
    op_count: int
    worker: int | None
    received_at: int
    started_at: int | None
    exec_at: int | None
    """When the code of the op at the cursor began."""
    ended_at: int | None
    machine: str | None
    heartbeat: int | None
    """The job's own: `start_job`, `update_heartbeat`, `ctx.heartbeat`. A worker's lies in ``workers``."""
    logtail: str | None
    args: str
    """The arguments of the op, when there is one op; else empty and the ops have rows of their own."""
    refs: str | None
    """JSON list of `Ref`, the places in `args` that stand for results."""
    result: str | None
    error: str | None
    """JSON of a captured traceback (`model.traceback`), or None."""
    unique_key: str | None
    """Held by this row while it is not None."""
    unique_until: int | None
    """When the key is let go by itself (a duration from enqueue)."""
    definition: str | None
    requester: str | None
    log_serial: int
    expires: int | None
    options: str | None
    """JSON object of what nobody filters by, see `newjob.JobOptions`."""


class OpRow(msgspec.Struct, array_like=True, gc=False):
    """One row of ``ops``: an op of a job that has several."""

    job: int
    index: int
    task: str
    args: str
    refs: str | None
    priority: int
    result: str | None
    error: str | None
    started_at: int | None
    exec_at: int | None
    ended_at: int | None
