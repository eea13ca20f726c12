"""The raw limit of SQLite: jobyard's own schema and rows, written by plain `sqlite3` with no job system around it."""

from __future__ import annotations

import sqlite3
import time
from importlib.resources import files

from bench.subjects.clock import Stopwatch
from jobyard.model.ranking import rank

__all__ = ["INSERT", "batches", "connect", "drain", "enqueue", "enqueue_many", "fill", "install", "new_row"]

COLUMNS = (
    "status", "queue", "task", "rank", "priority", "due", "epoch", "attempt", "failures", "crashes", "open_parents",
    "cursor", "op_count", "received_at", "args", "log_serial",
)  # fmt: skip
"""Those that are never null; the others are null in the row of a new no-op job."""

INSERT = f"insert into jobs ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"

CLAIM = """
    update jobs set status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = 1, started_at = :now
    where id in (select id from jobs where status = 1 and queue = 'default' order by rank, id limit :batch)
    returning id, epoch, task, args
"""

FINISH = "update jobs set status = 6, exec_at = ?, ended_at = ? where id = ? and epoch = ? and status in (4, 5)"

Row = tuple[int | str, ...]


def connect(url: str) -> sqlite3.Connection:
    """A connection as durable as jobyard's."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    return connection


def install(connection: sqlite3.Connection) -> None:
    """Make jobyard's tables and indexes."""
    folder = files("jobyard") / "store" / "sqlite" / "migrations"
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        connection.executescript(path.read_text())


def new_row(now: int, task: str = "noop", status: int = 1, due: int | None = None) -> Row:
    """The row of a job without arguments, in the order of `COLUMNS`."""
    due = due or now
    return (status, "default", task, rank(0, due), 0, due, 0, 0, 0, 0, 0, 0, 1, now, "[]", 0)


def _now() -> int:
    return time.time_ns() // 1000


def enqueue(url: str, count: int) -> dict[str, float]:
    """One row a commit."""
    connection = connect(url)
    install(connection)
    watch = Stopwatch()
    for _ in range(count):
        connection.execute("begin immediate")
        connection.execute(INSERT, new_row(_now()))
        connection.execute("commit")
    return {"per_s": watch.per_s(count)}


def batches(count: int, size: int = 1000) -> list[int]:
    """The sizes of the batches that make *count*."""
    return [min(size, count - begin) for begin in range(0, count, size)]


def fill(connection: sqlite3.Connection, count: int) -> None:
    """Insert *count* rows, a thousand a commit."""
    for size in batches(count):
        connection.execute("begin immediate")
        connection.executemany(INSERT, [new_row(_now()) for _ in range(size)])
        connection.execute("commit")


def enqueue_many(url: str, count: int) -> dict[str, float]:
    """A thousand rows a commit."""
    connection = connect(url)
    install(connection)
    watch = Stopwatch()
    fill(connection, count)
    return {"per_s": watch.per_s(count)}


def drain(url: str, count: int, batch: int = 100) -> dict[str, float]:
    """Finish the last batch and claim the next in one transaction, until none is left."""
    connection = connect(url)
    install(connection)
    fill(connection, count)
    watch = Stopwatch()
    held: list[tuple[int, int, str, str]] = []
    while True:
        connection.execute("begin immediate")
        now = _now()
        connection.executemany(FINISH, [(now, now, id, epoch) for id, epoch, _, _ in held])
        held = connection.execute(CLAIM, {"now": now, "batch": batch}).fetchall()
        connection.execute("commit")
        if not held:
            break
    return {"per_s": watch.per_s(count)}
