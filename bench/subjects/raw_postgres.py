"""The raw limit of PostgreSQL: jobyard's own tables and rows, written by plain psycopg with no job system around it."""

from __future__ import annotations

import time

import psycopg

from bench.subjects.clock import Stopwatch
from bench.subjects.raw_sqlite import batches
from jobyard import Yard
from jobyard.model.ranking import rank

__all__ = ["connect", "drain", "drain_share", "enqueue", "enqueue_many", "fill"]

COLUMNS = ("status", "queue", "task", "rank", "priority", "due", "received_at", "args")
TYPES = ("smallint", "text", "text", "bigint", "smallint", "bigint", "bigint", "text")
INSERT = f"insert into jobs ({', '.join(COLUMNS)}) values ({', '.join(f'%s::{each}' for each in TYPES)})"
BULK = f"insert into jobs ({', '.join(COLUMNS)}) select * from unnest({', '.join(f'%s::{each}[]' for each in TYPES)})"
"""What is not named has its default, as in the row of a new no-op job."""

CLAIM = """
    with candidates as materialized (
        select id from jobs where queue = 'default' and status = 1
        order by rank, id limit %s for no key update skip locked)
    update jobs set status = 4, epoch = epoch + 1, attempt = attempt + 1, worker = 1, started_at = %s
    where id = any(array(select id from candidates))
    returning id, epoch, task, args
"""

FINISH = """
    update jobs set status = 6, exec_at = %(now)s, ended_at = %(now)s
    from unnest(%(ids)s::bigint[], %(epochs)s::bigint[]) as held (id, epoch)
    where jobs.id = held.id and jobs.epoch = held.epoch and jobs.status in (4, 5)
"""

Row = tuple[int | str, ...]


def connect(url: str) -> psycopg.Connection:
    """A connection that prepares what it does twice, with jobyard's tables at hand."""
    with Yard(url) as yard:
        yard.upgrade()
    connection = psycopg.connect(
        url, autocommit=True, options="-c search_path=jobyard -c jit=off -c enable_seqscan=off"
    )
    connection.prepare_threshold = 1
    return connection


def new_row(now: int, status: int = 1, due: int | None = None) -> Row:
    """The row of a job without arguments, in the order of `COLUMNS`."""
    due = due or now
    return (status, "default", "noop", rank(0, due), 0, due, now, "[]")


def _now() -> int:
    return time.time_ns() // 1000


def enqueue(url: str, count: int) -> dict[str, float]:
    """One row a commit."""
    with connect(url) as connection:
        connection.execute(INSERT, new_row(_now()))
        watch = Stopwatch()
        for _ in range(count):
            connection.execute(INSERT, new_row(_now()))
        return {"per_s": watch.per_s(count)}


def fill(url: str, count: int) -> None:
    """Queue *count* jobs."""
    with connect(url) as connection:
        _insert(connection, count)


def _insert(connection: psycopg.Connection, count: int) -> None:
    """A thousand rows in a statement and a commit."""
    for size in batches(count):
        columns = zip(*(new_row(_now()) for _ in range(size)), strict=True)
        connection.execute(BULK, [list(column) for column in columns])


def enqueue_many(url: str, count: int) -> dict[str, float]:
    """A thousand rows a commit."""
    with connect(url) as connection:
        watch = Stopwatch()
        _insert(connection, count)
        return {"per_s": watch.per_s(count)}


def drain_share(url: str, batch: int = 100) -> dict[str, float]:
    """Run what is queued, until nothing is; how many that were."""
    with connect(url) as connection:
        return {"count": _drain(connection, batch)}


def drain(url: str, count: int, batch: int = 100) -> dict[str, float]:
    """Run all that is queued."""
    with connect(url) as connection:
        watch = Stopwatch()
        done = _drain(connection, batch)
        rate = watch.per_s(count)
    assert done == count, done
    return {"per_s": rate}


def _drain(connection: psycopg.Connection, batch: int) -> int:
    """Finish the last batch and claim the next in one transaction, until none is left."""
    held: list[tuple[int, int, str, str]] = []
    done = 0
    while True:
        with connection.transaction():
            now = _now()
            if held:
                ids, epochs = [row[0] for row in held], [row[1] for row in held]
                connection.execute(FINISH, {"now": now, "ids": ids, "epochs": epochs})
            held = connection.execute(CLAIM, (batch, now)).fetchall()
        if not held:
            return done
        done += len(held)
