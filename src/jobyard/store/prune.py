"""
What is kept for how long.

Finished jobs go with all that is theirs: ops, dependencies, attempts, log, progress, requests. A job that an unfinished
one depends on stays, and so does one whose unique key still holds. Log lines go earlier than their job where their
level says so. Each batch is a short transaction of its own, so nobody waits for a prune.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

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


def prune(
    store: Store, *, keep: float, keep_failed: float, now: int, dry_run: bool = False, limit: int | None = None
) -> Pruned:
    """
    Delete what was kept for long enough.

    Args:
        keep: seconds for which a job stays after its end; also for tokens and requests that are older.
        keep_failed: the same for failed jobs; ended workers stay as long as any job.
        dry_run: delete nothing, and count what would go.
        limit: how many rows of each table may go at most; None for all.
    """
    sweep = _Sweep(store, now, dry_run, limit)
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


@dataclass(slots=True)
class _Sweep:
    """One run over the tables."""

    store: Store
    now: int
    dry_run: bool
    limit: int | None

    def jobs(self, before: int, *, failed: int) -> int:
        """Jobs that ended before this instant, oldest first."""
        sql = statements(self.store.driver.dialect, "jobs")
        gone, ended_at, id = 0, 0, 0
        while room := self._room(gone):
            values = {
                "before": before,
                "failed": failed,
                "now": self.now,
                "ended_at": ended_at,
                "id": id,
                "limit": room,
            }
            with self._transaction() as tx:
                rows = tx.fetch(sql.prunable, values)
                if rows and not self.dry_run:
                    delete_jobs(tx, self.store.driver.dialect, [id for id, _ in rows])
            if not rows:
                break
            gone += len(rows)
            id, ended_at = rows[-1]
        return gone

    def jobs_of_definitions(self, usual: int, failed: int) -> int:
        """Jobs of definitions that keep theirs for less long than others are kept."""
        sql = statements(self.store.driver.dialect, "jobs")
        gone, id = 0, 0
        while room := self._room(gone):
            with self._transaction() as tx:
                values = {"now": self.now, "usual": usual, "failed": failed, "id": id, "limit": room}
                rows = tx.fetch(sql.prunable_of_definitions, values)
                if rows and not self.dry_run:
                    delete_jobs(tx, self.store.driver.dialect, [id for (id,) in rows])
            if not rows:
                break
            gone += len(rows)
            id = rows[-1][0]
        return gone

    def rows(self, noun: str, before: int, *, delete: str = "delete_old", count: str = "count_old") -> int:
        """Rows of a table that has no more to it than their age."""
        sql = statements(self.store.driver.dialect, noun)
        if self.dry_run:
            number = self._number(getattr(sql, count), {"before": before})
            return number if self.limit is None else min(number, self.limit)
        gone = 0
        while room := self._room(gone):
            with self._transaction() as tx:
                deleted = tx.execute(getattr(sql, delete), {"before": before, "limit": room})
            gone += deleted
            if not deleted:
                break
        return gone

    def log(self) -> int:
        """Log lines past the time of their level, a stretch of the table at a time: ids grow with time."""
        sql = statements(self.store.driver.dialect, "log")
        ages = log_ages(self.now)
        gone, after = 0, 0
        while self._room(gone):
            with self._transaction() as tx:
                last, oldest = tx.fetch(sql.stretch, {"after": after, "limit": _STRETCH})[0]
                if last is None or oldest >= ages["debug"]:
                    break
                values = {**ages, "after": after, "upto": last}
                gone += tx.fetch(sql.count_old, values)[0][0] if self.dry_run else tx.execute(sql.delete_old, values)
            after = last
        return gone

    def _transaction(self) -> AbstractContextManager[Transaction]:
        return self.store.read() if self.dry_run else self.store.transaction()

    def _number(self, statement: str, values: dict[str, Any]) -> int:
        with self.store.read() as tx:
            number: int = tx.fetch(statement, values)[0][0]
        return number

    def _room(self, gone: int) -> int:
        return _BATCH if self.limit is None else min(_BATCH, self.limit - gone)
