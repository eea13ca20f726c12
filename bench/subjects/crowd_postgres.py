"""Tables with a past: jobs that wait for others, that are scheduled and that are finished, around the ones measured."""

from __future__ import annotations

from bench.subjects.raw_postgres import connect

__all__ = ["crowd"]

NOW = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
HOUR = 3_600_000_000

FINISHED = f"""
    insert into jobs (status, queue, task, rank, priority, due, received_at, args, started_at, exec_at, ended_at,
        epoch, attempt, worker)
    select 6, 'default', 'noop', {NOW}, 0, {NOW}, {NOW} - {HOUR}, '[]', {NOW} - {HOUR}, {NOW} - {HOUR},
        {NOW} - {HOUR} + n, 1, 1, 1
    from generate_series(1, %s) as n
"""
SCHEDULED = f"""
    insert into jobs (status, queue, task, rank, priority, due, received_at, args)
    select 0, 'default', 'noop', {NOW}, 0, {NOW} + {24 * HOUR} + n, {NOW}, '[]' from generate_series(1, %s) as n
"""
WAITING = f"""
    with parent as (
        insert into jobs (status, queue, task, rank, priority, due, received_at, args)
        values (3, 'default', 'noop', {NOW}, 0, {NOW}, {NOW}, '[]') returning id),
    children as (
        insert into jobs (status, queue, task, rank, priority, due, received_at, args, open_parents)
        select 2, 'default', 'noop', {NOW}, 0, {NOW}, {NOW}, '[]', 1 from generate_series(1, %s) returning id)
    insert into dependencies (parent, child, accepted, open)
    select parent.id, children.id, {1 << 6}, 1 from parent, children
"""
"""All wait for one job, which is suspended; 6 is the code of a success."""


def crowd(url: str, waiting: int, scheduled: int, finished: int) -> None:
    """Write them past jobyard, which has no way to make a job that is finished."""
    with connect(url) as connection:
        for statement, count in ((FINISHED, finished), (WAITING, waiting), (SCHEDULED, scheduled)):
            connection.execute(statement, (count,))
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
