"""The table of jobs: storing, finding, claiming and ending them."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from jobyard.errors import UnknownJob
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import CODES
from jobyard.store.driver import Row, Transaction
from jobyard.store.hints import START, Hints, Place
from jobyard.store.insert import Inserter, Stored
from jobyard.store.plans import begin, run
from jobyard.store.recurrence import End, Recurrence
from jobyard.store.release import Claim, Released, Releaser
from jobyard.store.sql import Statements

__all__ = ["AttemptRow", "Finish", "GiveBack", "Jobs", "as_read", "claim_order", "json_text"]

_encoder = msgspec.json.Encoder()
_PROMOTED_AT_ONCE = 5000
LARGEST = 2**63 - 1
"""The largest number that databases know."""


def json_text(value: object) -> str:
    return _encoder.encode(value).decode()


class Finish(NamedTuple):
    """The end of a held job. `allowed` is the highest status code (running 4, canceling 5) from which it may come."""

    id: int
    epoch: int
    status: int
    result: str | None
    error: str | None
    exec_at: int | None
    allowed: int = 5


def finish_params(ends: Sequence[Finish], now: int) -> dict[str, object]:
    """For `finish`: the rows as one JSON text, and a list for each column, which PostgreSQL reads faster."""
    columns = zip(Finish._fields, map(list, zip(*ends, strict=True)), strict=True)
    return {"rows": json_text(ends), "now": now, **dict(columns)}


class GiveBack(NamedTuple):
    """A held job that goes back: retried, handed back, reclaimed or suspended."""

    id: int
    epoch: int
    status: int
    due: int
    rank: int
    attempt: int
    failures: int
    crashes: int
    error: str | None
    task: str
    options: str | None


class AttemptRow(NamedTuple):
    """An attempt that was not the last."""

    job: int
    number: int
    worker: str | None
    started_at: int | None
    ended_at: int
    outcome: str
    error: str | None


class Jobs:
    """Reads and writes jobs within a transaction."""

    def __init__(self, named: Mapping[str, Statements]) -> None:
        self.sql = sql = named["jobs"]
        self.trail = named["events"]
        """For what is noted in the transaction that settles jobs."""
        self._dependencies = dependencies = named["dependencies"]
        self._hints = Hints()
        self.inserter = Inserter(sql, dependencies, named["queues"])
        self.releaser = Releaser(sql, dependencies)
        self.recurrence = Recurrence(self.inserter, named)

    def insert(self, tx: Transaction, jobs: Sequence[NewJob], now: int) -> list[Stored]:
        """Store all of *jobs* or none, see `Inserter.insert`."""
        return run(self.inserter.insert(jobs, now), tx)

    def get(self, tx: Transaction, id: int) -> JobRow:
        """The row of a job. Raises `UnknownJob`."""
        return _only(tx.fetch(self.sql.get, {"id": _fitting(id)}), id)

    def lock(self, tx: Transaction, id: int, *, with_parents: bool = False) -> JobRow:
        """
        The row of a job, which nobody else changes until the transaction ends.

        Args:
            with_parents: those that it depends on do not end meanwhile either.

        Raises:
            UnknownJob: there is none.
        """
        if with_parents:  # first, as whoever ends a parent locks that before its children
            tx.fetch(self._dependencies.lock_parents, {"child": _fitting(id)})
        return _only(tx.fetch(self.sql.lock, {"id": _fitting(id)}), id)

    def get_many(self, tx: Transaction, ids: Iterable[int]) -> dict[int, JobRow]:
        """The rows of those of these jobs that exist, by id."""
        rows = tx.fetch(self.sql.get_many, {"ids": json_text([id for id in ids if abs(id) <= LARGEST])})
        return {row[0]: JobRow(*row) for row in rows}

    def results(self, tx: Transaction, ids: Iterable[int]) -> dict[int, tuple[str, str | None]]:
        """(task, stored result) of these jobs, by id."""
        rows = tx.fetch(self.sql.results, {"ids": json_text(sorted(ids))})
        return {id: (task, result) for id, task, result in rows}

    def ops(self, tx: Transaction, ids: Iterable[int]) -> dict[int, list[OpRow]]:
        """The op rows of jobs of several ops, by job, in order."""
        found: dict[int, list[OpRow]] = {}
        for row in tx.fetch(self.sql.ops, {"ids": json_text(list(ids))}):
            found.setdefault(row[0], []).append(OpRow(*row))
        return found

    def change_op(self, tx: Transaction, op: OpRow) -> None:
        tx.execute(self.sql.change_op, self.op_values(op))

    def op_values(self, op: OpRow) -> dict[str, object]:
        """What ``change_op`` writes."""
        values = msgspec.structs.asdict(op)
        values["idx"] = values.pop("index")
        return {key: values[key] for key in _OP_CHANGES}

    def promote(self, tx: Transaction, now: int) -> int:
        """Make due jobs ready, at most a few thousand at once; returns how many."""
        return tx.execute(self.sql.promote, {"now": now, "limit": _PROMOTED_AT_ONCE})

    def ask_promote(self, tx: Transaction, now: int) -> None:
        """`promote`, not waited for."""
        tx.ask(self.sql.promote, {"now": now, "limit": _PROMOTED_AT_ONCE})

    def next_due(self, tx: Transaction) -> int | None:
        """When the next scheduled job is due."""
        return self.ask_next_due(tx)()

    def ask_next_due(self, tx: Transaction) -> Callable[[], int | None]:
        """`next_due`, not waited for."""
        rows = tx.ask(self.sql.next_due)
        return lambda: rows()[0][0]

    def ready_queues(self, tx: Transaction) -> list[str]:
        """The queues that have ready jobs."""
        return self.ask_ready_queues(tx)()

    def ask_ready_queues(self, tx: Transaction) -> Callable[[], list[str]]:
        """`ready_queues`, not waited for."""
        rows = tx.ask(self.sql.ready_queues)
        return lambda: [queue for (queue,) in rows()]

    def any_ready(self, tx: Transaction, queues: Iterable[str], tasks: str) -> bool:
        """Whether there is a job to claim; *tasks* is a JSON list of names."""
        return any(tx.fetch(self.sql.any_ready, {"queue": queue, "tasks": tasks})[0][0] for queue in queues)

    def ask_claim(
        self,
        tx: Transaction,
        queues: Sequence[str],
        *,
        tasks: str,
        worker: int,
        limit: int,
        now: int,
        meanwhile: Callable[[JobRow], object] = lambda row: None,
    ) -> Callable[[], list[JobRow]]:
        """
        Hand up to *limit* ready jobs to a worker, best first: they become ``running`` and their epoch rises.

        No two workers are ever given the same epoch of a job. A claim from one queue is not waited for; the transaction
        of one whose rows nobody asks for must be rolled back.

        Args:
            queues: across all of which the claim order holds.
            tasks: JSON list of the names that the worker knows; jobs of others are passed over.
            meanwhile: is called with each row while the database still claims others; see `Transaction.ask_stream`.
        """
        shares = {queues[0]: limit} if len(queues) == 1 else self._shares(tx, queues, tasks, limit)
        values = {"tasks": tasks, "worker": worker, "now": now}
        asked = [self._ask_claim(tx, queue, share, values, meanwhile) for queue, share in shares.items()]

        def claimed() -> list[JobRow]:
            rows = sorted((row for each in asked for row in each()), key=claim_order)
            self._note_starts(tx, rows, now)
            return rows

        return claimed

    def _ask_claim(
        self, tx: Transaction, queue: str, limit: int, values: Mapping[str, Any], meanwhile: Callable[[JobRow], object]
    ) -> Callable[[], list[JobRow]]:
        """The best of one queue, from where the hint says; if those are too few, from the start."""
        key = (queue, values["tasks"])
        began = time.monotonic()
        place = self.place(queue, values["tasks"])
        after = {"after_rank": place.rank, "after_id": place.id}
        rows: list[JobRow] = []

        def take(found: list[Row]) -> None:
            for row in found:
                rows.append(JobRow(*row))
                meanwhile(rows[-1])

        wait = tx.ask_stream(self.sql.claim, {**values, **after, "queue": queue, "limit": limit}, take)

        def claimed() -> list[JobRow]:
            wait()
            rows.sort(key=claim_order)
            ended = time.monotonic()
            if place != START and len(rows) < limit:
                self._hints.looked(key, place, [], ended, ended - began)
                return rows + self._ask_claim(tx, queue, limit - len(rows), values, meanwhile)()
            self._hints.looked(key, place, [Place(row.rank, row.id) for row in rows[-1:]], ended, ended - began)
            return rows

        return claimed

    def place(self, queue: str, tasks: str) -> Place:
        """Where in its claim order a look for jobs of these tasks begins, see `Hints`."""
        return self._hints.place((queue, tasks), time.monotonic())

    def _shares(self, tx: Transaction, queues: Sequence[str], tasks: str, limit: int) -> dict[str, int]:
        """How many of the best in all are in each queue: claimed there, no row is locked that is not taken."""
        best = []
        for queue in queues:
            place = self.place(queue, tasks)
            values = {"queue": queue, "tasks": tasks, "limit": limit, "after_rank": place.rank, "after_id": place.id}
            best += [(rank, id, queue) for rank, id in tx.fetch(self.sql.candidates, values)]
        return Counter(queue for _, _, queue in heapq.nsmallest(limit, best))

    def ask_finish(
        self, tx: Transaction, ends: Sequence[Finish], now: int, meanwhile: Callable[[], object]
    ) -> Callable[[], set[int]]:
        """
        End held jobs; not waited for.

        Args:
            meanwhile: see `Transaction.ask`.

        Returns:
            The ids of those that were still held by the epoch given.
        """
        rows = tx.ask(self.sql.finish, finish_params(ends, now), meanwhile=meanwhile)
        return lambda: {id for (id,) in rows()}

    def give_back(self, tx: Transaction, rows: Sequence[GiveBack]) -> set[int]:
        """Let go of running jobs, raising their epoch; returns the ids of those still held by the epoch given."""
        return {id for (id,) in tx.fetch(self.sql.give_back, {"rows": json_text(rows)})}

    def advance(self, tx: Transaction, row: JobRow, task: str, priority: int, rank: int) -> bool:
        """Move a held job to its next op. False: the epoch is stale."""
        values = {"id": row.id, "epoch": row.epoch, "cursor": row.cursor, "task": task}
        values |= {"priority": priority, "rank": rank}
        return tx.execute(self.sql.advance, values) == 1

    def hold(self, tx: Transaction, id: int, epoch: int, lines: int = 0) -> int | None:
        """
        Check that a run still holds its job and reserve *lines* serials of its log.

        Returns:
            The serial before the reserved ones; None if the epoch is stale.
        """
        rows = tx.fetch(self.sql.hold, {"id": id, "epoch": epoch, "lines": lines})
        return rows[0][0] - lines if rows else None

    def beat(self, tx: Transaction, id: int, epoch: int, logtail: str | None, now: int) -> bool:
        """Renew the job's own heartbeat; None keeps its log tail. False: the epoch is stale."""
        return tx.execute(self.sql.beat, {"id": id, "epoch": epoch, "logtail": logtail, "now": now}) == 1

    def to_canceling(self, tx: Transaction, id: int) -> None:
        tx.execute(self.sql.to_canceling, {"id": id})

    def change(self, tx: Transaction, row: JobRow) -> None:
        """Write a row that was read in this same transaction and is held by nobody."""
        tx.execute(self.sql.change, msgspec.structs.asdict(row))

    def release(self, tx: Transaction, ended: Mapping[int, int], now: int) -> Released:
        """Tell the dependants of *ended* (id to final status code), see `Releaser.release`."""
        return run(self.releaser.release(ended, now), tx)

    def ask_release(
        self,
        tx: Transaction,
        ended: Mapping[int, int],
        now: int,
        *,
        claim: Claim | None = None,
        meanwhile: Callable[[], object],
    ) -> Callable[[], Released]:
        """`release`, not waited for: what is returned also ends those that ended with their parents."""
        release = begin(self.releaser.release(ended, now, claim), tx, meanwhile)

        def released() -> Released:
            done = release()
            self._note_starts(tx, done.claimed, now)
            return done

        return released

    def _note_starts(self, tx: Transaction, rows: Sequence[JobRow], now: int) -> None:
        """Jobs were claimed: have their definitions know."""
        if defined := [row for row in rows if row.definition is not None]:
            run(self.recurrence.started(defined, now), tx)

    def note_ends(self, tx: Transaction, ends: Iterable[End], now: int) -> bool:
        """
        Jobs have ended: have their definitions know, and make the next ones.

        Returns:
            Whether one of those may be ready at once.
        """
        defined = [end for end in ends if end.row.definition is not None]
        return bool(defined) and run(self.recurrence.ended(defined, now), tx)

    def remember_successes(self, rows: Iterable[JobRow]) -> None:
        """It is committed that these have succeeded."""
        self.recurrence.remember_successes({row.definition for row in rows if row.definition is not None})

    def held_by(self, tx: Transaction, worker: int) -> list[JobRow]:
        return [JobRow(*row) for row in tx.fetch(self.sql.held_by, {"worker": worker})]

    def ask_expired(self, tx: Transaction, now: int) -> Callable[[], list[JobRow]]:
        """Jobs that have not begun by their `expires`; not waited for."""
        rows = tx.ask(self.sql.expired, {"now": now, "limit": _PROMOTED_AT_ONCE})
        return lambda: [JobRow(*row) for row in rows()]

    def unique_holder(self, tx: Transaction, key: str) -> JobRow | None:
        rows = tx.fetch(self.sql.unique_holder, {"unique_key": key})
        return JobRow(*rows[0]) if rows else None

    def let_unique_go(self, tx: Transaction, id: int) -> None:
        tx.execute(self.sql.let_unique_go, {"id": id})

    def add_attempts(self, tx: Transaction, rows: Sequence[AttemptRow]) -> None:
        tx.execute_many(self.sql.add_attempts, rows)

    def attempts(self, tx: Transaction, id: int) -> list[AttemptRow]:
        return [AttemptRow(*row) for row in tx.fetch(self.sql.attempts, {"job": id})]

    def parents(self, tx: Transaction, id: int) -> list[Row]:
        """(parent, accepted bits, open, status code, task, queue) of each dependency; status is None if pruned."""
        return tx.fetch(self._dependencies.parents, {"child": id})

    def set_edge(self, tx: Transaction, parent: int, child: int, *, is_open: bool) -> None:
        tx.execute(self._dependencies.set_open, {"parent": parent, "child": child, "open": int(is_open)})

    def strays(self, tx: Transaction, limit: int = 1000) -> dict[int, int]:
        """Ended jobs that still have an open edge, with their status codes."""
        return dict(tx.fetch(self._dependencies.strays, {"limit": limit}))

    def of_queue(self, tx: Transaction, queue: str, *, after: int, limit: int) -> list[JobRow]:
        """Jobs of a queue that have not begun, by id, behind the id *after*."""
        values = {"queue": queue, "id": after, "limit": limit}
        return [JobRow(*row) for row in tx.fetch(self.sql.of_queue_after, values)]

    def set_ranks(self, tx: Transaction, ranks: Sequence[tuple[int, int]]) -> None:
        """Give these jobs, (id, rank) by id, another place in the order, unless they have begun."""
        tx.execute(self.sql.rerank, {"rows": json_text(ranks)})

    def count_ready(self, tx: Transaction) -> int:
        """How many jobs are ready to be claimed: a look at one index, for displays."""
        count: int = tx.fetch(self.sql.count_ready)[0][0]
        return count

    def count_due(self, tx: Transaction, now: int) -> int:
        """How many jobs are ready or running."""
        count: int = tx.fetch(self.sql.count_due, {"now": now})[0][0]
        return count


_OP_CHANGES = ("job", "idx", "result", "error", "priority", "started_at", "exec_at", "ended_at")


def _fitting(id: int) -> int:
    """The same; a number that no database takes is no job's."""
    if abs(id) > LARGEST:
        raise _unknown(id)
    return id


def _only(rows: Sequence[Row], id: int) -> JobRow:
    if not rows:
        raise _unknown(id)
    return JobRow(*rows[0])


def _unknown(id: int) -> UnknownJob:
    return UnknownJob(f"there is no job {id} (or it has been pruned)")


def claim_order(row: JobRow) -> tuple[int, int]:
    """By which the best jobs are the first."""
    return row.rank, row.id


def as_read(row: JobRow, now: int) -> JobRow:
    """The row as people see it: a scheduled job whose due has come is queued, whether or not a worker noticed."""
    if row.status == CODES["scheduled"] and row.due <= now:
        row.status = CODES["queued"]
    return row
