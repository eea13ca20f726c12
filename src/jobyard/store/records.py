"""The log and the progress of jobs, written for a run only while it holds its job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from jobyard.model.instants import from_micros
from jobyard.model.messages import LogLine, ProgressReport
from jobyard.model.op import LogEntry
from jobyard.store.driver import Row, Transaction
from jobyard.store.jobs import LARGEST, Jobs
from jobyard.store.sql import Statements

__all__ = ["Records"]

_ALL = 2**62


class Records:
    """Reads and writes log lines and progress within a transaction."""

    def __init__(self, log: Statements, progress: Statements, jobs: Jobs) -> None:
        self._log = log
        self._progress = progress
        self._jobs = jobs

    def write(
        self,
        tx: Transaction,
        id: int,
        epoch: int,
        lines: Sequence[LogLine],
        progress: Sequence[ProgressReport],
        now: int,
    ) -> bool:
        """Store what a run reported. False: the epoch is stale, and nothing was stored."""
        serial = self._jobs.hold(tx, id, epoch, len(lines))
        if serial is None:
            return False
        self.add(tx, id, serial, lines, progress, now)
        return True

    def add(
        self,
        tx: Transaction,
        id: int,
        serial: int,
        lines: Sequence[LogLine],
        progress: Sequence[ProgressReport],
        now: int,
    ) -> None:
        """Store lines, for which the serials after *serial* are reserved, and progress."""
        if lines:
            tx.execute_many(
                self._log.add,
                [
                    (id, serial + n, line.op, line.at, line.level, line.logger, line.message, line.traceback, line.data)
                    for n, line in enumerate(lines, 1)
                ],
            )
        for report in progress:
            path = msgspec.json.encode(report.group).decode()
            values = {"current": report.current, "total": report.total, "status": report.status}
            tx.execute(self._progress.put, {"job": id, "path": path, "at": now, **values})

    def log(self, tx: Transaction, id: int, newer_than: int | None = None, limit: int | None = None) -> list[LogEntry]:
        """The entries with a serial above *newer_than*, in order."""
        values = {"job": id, "serial": max(0, min(newer_than or 0, LARGEST)), "limit": limit or _ALL}
        return [_entry(row) for row in tx.fetch(self._log.newer_than, values)]

    def progress(self, tx: Transaction, id: int) -> list[ProgressReport]:
        """The newest figures of each group, a group before those below it."""
        return sorted(_reports(tx.fetch(self._progress.of, {"job": id})), key=_group)

    def progress_in_order(self, tx: Transaction, id: int) -> list[ProgressReport]:
        """The same, in the order in which the groups were first reported."""
        return _reports(tx.fetch(self._progress.in_order, {"job": id}))


def _reports(rows: Sequence[Row]) -> list[ProgressReport]:
    return [ProgressReport(msgspec.json.decode(path), *values) for path, *values in rows]


def _group(report: ProgressReport) -> list[str]:
    return report.group


def _entry(row: Row) -> LogEntry:
    _, serial, op, at, level, logger, message, traceback, data, _ = row
    details: dict[str, Any] | None = msgspec.json.decode(data) if data else None
    return LogEntry(serial, op, from_micros(at), level, logger, message, traceback, details)
