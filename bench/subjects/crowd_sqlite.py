"""A file with a past: jobs that wait for others, that are scheduled and that are finished, around the ones measured."""

from __future__ import annotations

import sqlite3
import time

from bench.subjects.raw_sqlite import COLUMNS, INSERT, batches, connect, new_row

__all__ = ["crowd"]

SCHEDULED, WAITING, SUSPENDED, SUCCEEDED = 0, 2, 3, 6
HOUR = 3_600_000_000

FINISHED = INSERT.replace("insert into jobs (", "insert into jobs (started_at, exec_at, ended_at, ").replace(
    "values (", "values (?, ?, ?, "
)
EDGE = "insert into dependencies (parent, child, accepted, open) values (?, ?, ?, 1)"
OPEN_PARENTS = COLUMNS.index("open_parents")


def crowd(url: str, waiting: int, scheduled: int, finished: int) -> None:
    """Write them past jobyard, which has no way to make a job that is finished."""
    connection = connect(url)
    now = time.time_ns() // 1000
    _finished(connection, finished, now - HOUR)
    _waiting(connection, waiting, now)
    _insert(connection, INSERT, [new_row(now, "noop", SCHEDULED, due=now + 24 * HOUR + n) for n in range(scheduled)])
    connection.execute("pragma wal_checkpoint(truncate)")


def _finished(connection: sqlite3.Connection, count: int, now: int) -> None:
    rows = ((now, now, now + n, *new_row(now, "noop", SUCCEEDED)) for n in range(count))
    for size in batches(count):
        _insert(connection, FINISHED, [next(rows) for _ in range(size)])


def _waiting(connection: sqlite3.Connection, count: int, now: int) -> None:
    """All wait for one job, which is suspended."""
    parent = connection.execute(INSERT, new_row(now, "noop", SUSPENDED)).lastrowid
    assert parent is not None
    row = list(new_row(now, "noop", WAITING))
    row[OPEN_PARENTS] = 1
    _insert(connection, INSERT, [tuple(row)] * count)
    accepted = 1 << SUCCEEDED
    _insert(connection, EDGE, [(parent, parent + n, accepted) for n in range(1, count + 1)])


def _insert(connection: sqlite3.Connection, statement: str, rows: list[tuple[int | str, ...]]) -> None:
    connection.execute("begin immediate")
    connection.executemany(statement, rows)
    connection.execute("commit")
