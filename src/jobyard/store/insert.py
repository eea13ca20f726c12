"""
Storing new jobs: all of a batch or none.

The order matters. Ids are reserved first, which takes SQLite's write lock before anything was read. Tokens and unique
keys come next, since a job that exists already takes the place of the new one in everything that points at it. Rows
and edges come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from jobyard.errors import BadArguments, DependencyCycle, QueueClosed, UnknownJob
from jobyard.model.faults import cascade_fault, dependency_fault
from jobyard.model.newjob import JobOptions, NewJob, NewOp, accepted_statuses
from jobyard.model.ranking import rank
from jobyard.model.references import Ref
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES, STATUSES
from jobyard.store.plans import Batch, Plan, Query
from jobyard.store.queues import Queue, queue_of
from jobyard.store.sql import Statements

__all__ = ["Inserter", "Stored", "drained", "is_plain", "plain_row"]

_encode = msgspec.json.Encoder().encode
_QUEUED = CODES["queued"]
_SCHEDULED = CODES["scheduled"]
_WAITING = CODES["waiting"]
_CANCELED = CODES["canceled"]
_FAILED = CODES["failed"]
_SUCCEEDED_BIT = 1 << CODES["succeeded"]
_NO_QUEUE = Queue("")
_SENT_AT_ONCE = 2000
"""Rows: while a server stores some, the next are made."""


class Stored(NamedTuple):
    """What became of a new job: its row, and whether that was there already."""

    row: JobRow
    existing: bool


class _Edge(NamedTuple):
    parent: int
    accepted: int


class _Work(msgspec.Struct):
    """What is to be written for a batch."""

    now: int
    queues: dict[str, Queue]
    ids: list[int]
    places: dict[int, int]
    """The index in the batch of each reserved id."""
    done: list[Stored | None]
    plain: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    rows: list[JobRow] = msgspec.field(default_factory=list)
    ops: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    edges: list[tuple[int, int, int, int]] = msgspec.field(default_factory=list)
    statuses: dict[int, tuple[int, str, str]] = msgspec.field(default_factory=dict)
    """Status code, queue and task of the parents, by id."""
    parents: str = ""
    """The statement that reads them."""


def is_plain(job: NewJob) -> bool:
    return len(job.ops) == 1 and not (
        job.after or job.unique or job.token or job.expires is not None or job.ops[0].refs
    )


class Inserter:
    """Makes plans that store jobs, from the statements of one dialect."""

    def __init__(self, jobs: Statements, dependencies: Statements, queues: Statements) -> None:
        self._jobs = jobs
        self._dependencies = dependencies
        self._queues = queues

    def insert(
        self, jobs: Sequence[NewJob], now: int, *, even_drained: bool = False, theirs: bool = False
    ) -> Plan[list[Stored]]:
        """
        Store all of *jobs*, in their order.

        Args:
            even_drained: a drained queue takes them too, since they carry on what it had before.
            theirs: the transaction is a caller's, which must not hold up the ends of parents; should one be missed,
                a sweep wakes the job.

        Raises:
            QueueClosed: one of the queues is drained.
            UnknownJob: a job depends on one that does not exist.
            DependencyCycle: a job depends on itself or on a later one of the batch.
        """
        ids = yield from self._reserve(len(jobs))
        queues = yield from self._open_queues(jobs, even_drained)
        work = _Work(now, queues, ids, {id: index for index, id in enumerate(ids)}, [None] * len(jobs))
        work.parents = self._jobs.parents if theirs else self._jobs.parents_for_update
        if all(map(is_plain, jobs)):
            return (yield from self._insert_plain(jobs, work))
        yield from self._find_tokens(jobs, work)
        yield from self._read_parents(jobs, work)
        for index, job in enumerate(jobs):
            if work.done[index] is None:
                yield from self._insert_one(job, index, work)
        yield from self._flush(work)
        return [stored for stored in work.done if stored is not None]

    def _reserve(self, count: int) -> Plan[list[int]]:
        ranges = yield Query(self._jobs.reserve, {"count": count})
        return [id for first, last in ranges for id in range(first, last + 1)]

    def _open_queues(self, jobs: Sequence[NewJob], even_drained: bool) -> Plan[dict[str, Queue]]:
        found = {}
        for name in {job.queue for job in jobs}:
            rows = yield Query(self._queues.get, {"name": name})
            found[name] = queue = queue_of(rows[0]) if rows else _NO_QUEUE
            if queue.drained and not even_drained:
                raise drained(name)
        return found

    def _insert_plain(self, jobs: Sequence[NewJob], work: _Work) -> Plan[list[Stored]]:
        rows: list[JobRow] = []
        for begin in range(0, len(jobs), _SENT_AT_ONCE):
            part = slice(begin, begin + _SENT_AT_ONCE)
            made = [_new_row(job, id, work) for job, id in zip(jobs[part], work.ids[part], strict=True)]
            yield Batch(self._jobs.insert_plain, [_plain_values(row) for row in made])
            rows += made
        return [Stored(row, existing=False) for row in rows]

    def _find_tokens(self, jobs: Sequence[NewJob], work: _Work) -> Plan[None]:
        for index, job in enumerate(jobs):
            if job.token is None:
                continue
            taken = yield Query(self._jobs.add_token, {"token": job.token, "job": work.ids[index], "at": work.now})
            if not taken:
                [(id,)] = yield Query(self._jobs.token, {"token": job.token})
                work.done[index] = yield from self._existing(id, index, jobs, work)

    def _existing(self, id: int, index: int, jobs: Sequence[NewJob], work: _Work) -> Plan[Stored | None]:
        """The job that has the token; None for one that this same batch is about to make."""
        work.ids[index] = id
        if id in work.places:
            return None
        rows = yield Query(self._jobs.get, {"id": id})
        if not rows:
            msg = f"token {jobs[index].token!r} belongs to job {id}, which has been pruned"
            raise UnknownJob(msg)
        row = JobRow(*rows[0])
        work.statuses[id] = (row.status, row.queue, row.task)
        return Stored(row, existing=True)

    def _read_parents(self, jobs: Sequence[NewJob], work: _Work) -> Plan[None]:
        named = {id for job in jobs for id in _parents(job) if id >= 0}
        outside = named.difference(work.places, work.statuses)
        if outside:
            rows = yield Query(work.parents, {"ids": _text(sorted(outside))})
            work.statuses.update({id: (status, queue, task) for id, status, queue, task in rows})
        missing = outside.difference(work.statuses)
        if missing:
            msg = f"job {min(missing)} is given as a dependency, but there is no such job"
            raise UnknownJob(msg)

    def _insert_one(self, job: NewJob, index: int, work: _Work) -> Plan[None]:
        id = work.ids[index]
        first = work.done[work.places[id]]
        if first is not None:  # the same token twice in one batch
            work.ids[index] = first.row.id
            work.done[index] = Stored(first.row, existing=True)
            return
        edges = _edges(job, index, work)
        row = _full_row(job, id, index, edges, work)
        if job.unique is not None:
            holder = yield from self._take_unique(row)
            if holder is not None:
                if job.token is not None:
                    yield Query(self._jobs.move_token, {"token": job.token, "job": holder.id})
                work.ids[index] = holder.id
                work.statuses[holder.id] = (holder.status, holder.queue, holder.task)
                work.done[index] = Stored(holder, existing=True)
                return
        elif row.status == _QUEUED and is_plain(job):
            work.plain.append(_plain_values(row))
        else:
            work.rows.append(row)
        work.statuses[id] = (row.status, row.queue, row.task)
        work.done[index] = Stored(row, existing=False)
        work.edges.extend((e.parent, id, e.accepted, int(_is_open(e, work))) for e in edges)
        if len(job.ops) > 1:
            work.ops.extend(_op_values(job, number, id, index, work) for number in range(len(job.ops)))

    def _take_unique(self, row: JobRow) -> Plan[JobRow | None]:
        """Insert the row; if its key is held, return the holder instead."""
        while True:
            inserted = yield Query(self._jobs.insert_unique, msgspec.structs.asdict(row))
            if inserted:
                return None
            held = yield Query(self._jobs.unique_holder, {"unique_key": row.unique_key})
            if not held:  # it was let go in between
                continue
            holder = JobRow(*held[0])
            if holder.unique_until and holder.unique_until <= row.received_at:
                yield Query(self._jobs.let_unique_go, {"id": holder.id})
                continue
            return holder

    def _flush(self, work: _Work) -> Plan[None]:
        if work.plain:
            yield Batch(self._jobs.insert_plain, work.plain)
        if work.rows:
            yield Batch(self._jobs.insert, [msgspec.structs.astuple(row) for row in work.rows])
        if work.ops:
            yield Batch(self._jobs.insert_ops, work.ops)
        if work.edges:
            yield Batch(self._dependencies.add, sorted(work.edges))


def _new_row(job: NewJob, id: int, work: _Work) -> JobRow:
    """The row of a job without dependencies."""
    queue = work.queues[job.queue]
    now = work.now
    due = job.due if job.due is not None else now + (job.delay or 0)
    op = job.ops[0]
    priority = _priority(job, queue)
    return JobRow(
        id, _SCHEDULED if due > now else _QUEUED, job.queue, op.task, rank(priority, due, aging=queue.aging), priority,
        due, 0, 0, 0, 0, 0, 0, len(job.ops), None, now, None, None, None, None, None, None,
        op.args if len(job.ops) == 1 else "", None, None, None, None, None, job.definition, job.requester, 0,
        None if job.expires is None else now + job.expires,
        None if job.options is None else _text(job.options),
    )  # fmt: skip


def plain_row(job: NewJob, now: int) -> JobRow:
    """The row of a plain job, but for what the store adds: its id, and what the queue says of its place."""
    due = job.due if job.due is not None else now + (job.delay or 0)
    op = job.ops[0]
    return JobRow(
        0, _QUEUED, job.queue, op.task, 0, 0, due, 0, 0, 0, 0, 0, 0, 1, None, now, None, None, None, None, None, None,
        op.args, None, None, None, None, None, job.definition, job.requester, 0, None,
        None if job.options is None else _text(job.options),
    )  # fmt: skip


def drained(queue: str) -> QueueClosed:
    return QueueClosed(
        f"queue {queue!r} is drained and takes no new jobs; `jobyard queue resume {queue}` opens it again"
    )


def _full_row(job: NewJob, id: int, index: int, edges: Sequence[_Edge], work: _Work) -> JobRow:
    row = _new_row(job, id, work)
    if len(job.ops) == 1 and job.ops[0].refs:
        row.refs = _refs(job.ops[0], index, work)
    if job.unique is not None:
        row.unique_key = job.unique
        row.unique_until = _unique_until(job.unique_for, work.now)
        row.options = _text(_with_unique(job))
    broken = next((e for e in edges if _is_broken(e, work)), None)
    row.open_parents = sum(_is_open(e, work) for e in edges)
    if broken is not None:
        _end_at_once(row, broken, work)
    elif row.open_parents:
        row.status = _WAITING
    return row


def _end_at_once(row: JobRow, edge: _Edge, work: _Work) -> None:
    status, _, task = work.statuses[edge.parent]
    row.open_parents = 0
    row.ended_at = work.now
    row.unique_key = None
    if status == _CANCELED:
        row.status = _CANCELED
        row.error = cascade_fault(edge.parent, task)
    else:
        row.status = _FAILED
        row.error = dependency_fault(edge.parent, task, STATUSES[status], accepted_statuses(edge.accepted))


def _priority(job: NewJob, queue: Queue) -> int:
    if len(job.ops) == 1:  # nearly always
        return _op_priority(job.ops[0], job, queue)
    return min(_op_priority(op, job, queue) for op in job.ops)


def _op_priority(op: NewOp, job: NewJob, queue: Queue) -> int:
    for said in (op.priority, job.priority, queue.priority):
        if said is not None:
            return said
    return 0


def _plain_values(row: JobRow) -> tuple[Any, ...]:
    return (
        row.id, row.status, row.queue, row.task, row.rank, row.priority, row.due, row.received_at, row.args,
        row.definition, row.requester, row.options,
    )  # fmt: skip


def _op_values(job: NewJob, number: int, id: int, index: int, work: _Work) -> tuple[Any, ...]:
    op = job.ops[number]
    return (id, number, op.task, op.args, _refs(op, index, work), _op_priority(op, job, work.queues[job.queue]))


def _parents(job: NewJob) -> Iterable[int]:
    for id, _ in job.after:
        yield id
    for op in job.ops:
        for ref in op.refs:
            if ref.job is not None:
                yield ref.job


def _edges(job: NewJob, index: int, work: _Work) -> list[_Edge]:
    """The dependencies of a job, those on earlier ones of the batch made absolute."""
    accepted: dict[int, int] = {}
    results = [(ref.job, _SUCCEEDED_BIT) for op in job.ops for ref in op.refs if ref.job is not None]
    for given, bits in [*job.after, *results]:
        parent = _absolute(given, index, work)
        accepted[parent] = accepted.get(parent, bits) & bits
    return [_Edge(parent, bits) for parent, bits in accepted.items()]


def _absolute(given: int, index: int, work: _Work) -> int:
    if given < 0:
        if index + given < 0:
            msg = f"{given} points before the first of the jobs stored together (this is number {index + 1})"
            raise BadArguments(msg)
        return work.ids[index + given]
    place = work.places.get(given)
    if place is None:
        return given
    if place >= index:
        msg = f"job {given} would wait for itself: a job can depend on itself or a later one in no way"
        raise DependencyCycle(msg)
    return work.ids[place]


def _refs(op: NewOp, index: int, work: _Work) -> str | None:
    if not op.refs:
        return None
    return _text([_absolute_ref(ref, index, work) for ref in op.refs])


def _absolute_ref(ref: Ref, index: int, work: _Work) -> Ref:
    return ref if ref.job is None else msgspec.structs.replace(ref, job=_absolute(ref.job, index, work))


def _is_open(edge: _Edge, work: _Work) -> bool:
    return work.statuses[edge.parent][0] < CODES["succeeded"]


def _is_broken(edge: _Edge, work: _Work) -> bool:
    status = work.statuses[edge.parent][0]
    return status >= CODES["succeeded"] and not edge.accepted >> status & 1


def _unique_until(unique_for: str | float, now: int) -> int | None:
    if isinstance(unique_for, str):
        return 0 if unique_for == "start" else None
    return now + round(unique_for * 1_000_000)


def _with_unique(job: NewJob) -> JobOptions:
    return msgspec.structs.replace(
        job.options or JobOptions(),
        unique=job.unique,
        unique_for=None if job.unique_for == "finish" else job.unique_for,
    )


def _text(value: Any) -> str:
    return _encode(value).decode()
