"""
What is kept for how long.

Finished jobs go with all that is theirs: ops, dependencies, attempts, log, progress, requests. A job that an unfinished
one depends on stays, and so does one whose unique key still holds. Log lines go earlier than their job where their
level says so. Each batch is a short transaction of its own, so nobody waits for a prune; where the server cancels a
statement that takes too long (`statement_timeout`), the batches get smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from jobyard.errors import StoreBusy
from jobyard.store.driver import Transaction
from jobyard.store.jobs import json_text
from jobyard.store.sql import statements

if TYPE_CHECKING:
    from jobyard.store import Store

__all__ = ["Pruned", "delete_jobs", "log_ages", "prune"]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EVENTS_DAYS = 90
_LOG_DAYS = {"debug": 15, "info": 30, "warning": 90, "error": 180}
_BATCH = 500
_STRETCH = 5000
_Place: TypeAlias = tuple[Any, ...]
"""Behind what a batch begins."""
_Batch: TypeAlias = Callable[[Transaction, _Place, int], tuple[int, _Place | None]]
"""Deletes, or counts, at most so many rows; returns how many, and where the next begins, or None at the end."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went, or would go. `log` counts the lines that were too old, not those that went with their job."""

    jobs: int = 0
    log: int = 0
    events: int = 0
    tokens: int = 0
    requests: int = 0
    workers: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def __str__(self) -> str:
        return ", ".join(f"{count} {table}" for table, count in asdict(self).items() if count) or "nothing"


def prune(store: Store, *, keep: float, keep_failed: float, now: int, dry_run: bool = False) -> Pruned:
    """
    Delete what was kept for long enough.

    Args:
        keep: seconds for which a job stays after its end; also for tokens and requests that are older.
        keep_failed: the same for failed jobs; ended workers stay as long as any job.
        dry_run: delete nothing, and count what would go.

    Raises:
        StoreBusy: the server cancels even the deletion of a single row.
    """
    sweep = _Sweep(store, now, dry_run)
    usual, failed = now - round(keep * _SECOND), now - round(keep_failed * _SECOND)
    # Jobs come last: what goes with them would be counted in a dry run only.
    return Pruned(
        log=sweep.log(),
        events=sweep.rows("events", now - _EVENTS_DAYS * _DAY),
        tokens=sweep.rows("jobs", usual, delete="delete_old_tokens", count="count_old_tokens"),
        requests=sweep.rows("requests", usual),
        workers=sweep.rows("workers", min(usual, failed)),
        jobs=sweep.jobs(usual, failed=0) + sweep.jobs(failed, failed=1) + sweep.jobs_of_definitions(usual, failed),
    )


def delete_jobs(tx: Transaction, dialect: str, ids: list[int]) -> None:
    """Delete jobs with all that is theirs."""
    values = {"ids": json_text(ids)}
    jobs = statements(dialect, "jobs")
    for statement in (jobs.delete, jobs.delete_ops, jobs.delete_attempts):
        tx.execute(statement, values)
    tx.execute(statements(dialect, "dependencies").delete, values)
    for noun in ("log", "progress", "requests", "files", "builds"):
        tx.execute(statements(dialect, noun).delete_of, values)


def log_ages(now: int) -> dict[str, int]:
    """Before which instant a log line of each level is old."""
    return {level: now - days * _DAY for level, days in _LOG_DAYS.items()}


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One run over the tables."""

    store: Store
    now: int
    dry_run: bool

    def jobs(self, before: int, *, failed: int) -> int:
        """Jobs that ended before this instant, oldest first."""
        sql = statements(self.store.driver.dialect, "jobs")

        def batch(tx: Transaction, place: _Place, size: int) -> tuple[int, _Place | None]:
            ended_at, id = place
            ages = {"before": before, "failed": failed, "now": self.now}
            rows = tx.fetch(sql.prunable, {**ages, "ended_at": ended_at, "id": id, "limit": size})
            self._delete(tx, [id for id, _ in rows])
            return len(rows), (rows[-1][1], rows[-1][0]) if rows else None

        return self._batches(batch, (0, 0))

    def jobs_of_definitions(self, usual: int, failed: int) -> int:
        """Jobs of definitions that keep theirs for less long than others are kept."""
        sql = statements(self.store.driver.dialect, "jobs")

        def batch(tx: Transaction, place: _Place, size: int) -> tuple[int, _Place | None]:
            ages = {"now": self.now, "usual": usual, "failed": failed}
            rows = tx.fetch(sql.prunable_of_definitions, {**ages, "id": place[0], "limit": size})
            self._delete(tx, [id for (id,) in rows])
            return len(rows), rows[-1] if rows else None

        return self._batches(batch, (0,))

    def rows(self, noun: str, before: int, *, delete: str = "delete_old", count: str = "count_old") -> int:
        """Rows of a table that has no more to it than their age."""
        sql = statements(self.store.driver.dialect, noun)
        if self.dry_run:
            with self.store.read() as tx:
                number: int = tx.fetch(getattr(sql, count), {"before": before})[0][0]
            return number

        def batch(tx: Transaction, place: _Place, size: int) -> tuple[int, _Place | None]:
            deleted = tx.execute(getattr(sql, delete), {"before": before, "limit": size})
            return deleted, place if deleted else None

        return self._batches(batch, ())

    def log(self) -> int:
        """Log lines past the time of their level, a stretch of the table at a time: ids grow with time."""
        sql = statements(self.store.driver.dialect, "log")
        ages = log_ages(self.now)

        def batch(tx: Transaction, place: _Place, size: int) -> tuple[int, _Place | None]:
            last, oldest = tx.fetch(sql.stretch, {"after": place[0], "limit": size})[0]
            if last is None or oldest >= ages["debug"]:
                return 0, None
            values = {**ages, "after": place[0], "upto": last}
            return tx.fetch(sql.count_old, values)[0][0] if self.dry_run else tx.execute(sql.delete_old, values), (
                last,
            )

        return self._batches(batch, (0,), _STRETCH)

    def _batches(self, batch: _Batch, place: _Place | None, size: int = _BATCH) -> int:
        """Run *batch* from place to place, each time in a transaction of its own; returns how many rows went."""
        gone = 0
        while place is not None:
            try:
                with self.store.read() if self.dry_run else self.store.transaction() as tx:
                    count, after = batch(tx, place, size)
            except StoreBusy as error:
                if not error.canceled or size == 1:
                    raise
                size //= 2
            else:
                gone, place = gone + count, after
        return gone

    def _delete(self, tx: Transaction, ids: list[int]) -> None:
        if ids and not self.dry_run:
            delete_jobs(tx, self.store.driver.dialect, ids)
