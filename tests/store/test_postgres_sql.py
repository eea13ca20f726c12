"""The statements on PostgreSQL: they compile, and no plan of a hot one reads a table from end to end."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import pairwise

import psycopg
import pytest
from tests import postgres
from tests.store.acts import new, put
from tests.store.test_sql import every, hot

from jobyard.store import open_store
from jobyard.store.postgres.statement import numbered
from jobyard.store.sql import statements


@pytest.fixture(scope="module", params=[0, 10])
def planner(request):
    """
    A connection to a store that nobody writes to, set up as those of jobyard are.

    A plan outlives the size of the tables for which it was made: here nothing is known of them, or that jobs are few.
    """
    with (
        postgres.schema(postgres.shared()) as url,
        closing(open_store(url)) as store,
        psycopg.connect(url.partition("?")[0], autocommit=True, cursor_factory=psycopg.ClientCursor) as connection,
    ):
        store.upgrade()
        connection.execute(f"set search_path to {store.driver.schema}; set enable_seqscan to off")
        connection.execute("set plan_cache_mode to force_generic_plan")
        if request.param:
            put(store, *[new() for _ in range(request.param)])
            connection.execute("analyze jobs")
        yield connection, store.driver.schema


def plan(planner, statement):
    """As it is prepared, for parameters of any value."""
    connection, schema = planner
    text, names = numbered(statement, schema)
    values = f"({', '.join(['null'] * len(names))})" if names else ""
    connection.execute(f"prepare it as {text}")
    try:
        return [line for (line,) in connection.execute(f"explain execute it{values}")]
    finally:
        connection.execute("deallocate it")


def scanned(lines):
    """
    What reads a table from end to end, row by row or along its primary key, or a whole batch for each row of a batch.

    Neither a scan of an index nor the filter by an array is one for the planner.
    """
    return [
        line.strip()
        for line, below in pairwise([*lines, ""])
        if re.search(r"Seq Scan on (?!queues|schema_version)\w+", line)
        or (re.search(r"Scan using \w+_pkey on", line) and "Index Cond" not in below)
        or re.search(r"Filter: .*\b(id|name) = ANY \(+(\$|InitPlan)", line)
        or re.search(r"Join Filter: .*\b(id|name|definition)\b.* = ", line)
    ]


@pytest.mark.parametrize(("noun", "name"), [each for each in every("postgres") if each[0] != "schema"])
def test_every_statement_compiles(planner, noun, name):
    assert plan(planner, getattr(statements("postgres", noun), name))


@pytest.mark.parametrize(("noun", "name"), hot())
def test_no_hot_statement_scans_a_table(planner, noun, name):
    assert scanned(plan(planner, getattr(statements("postgres", noun), name))) == []


@pytest.mark.parametrize("name", ["claim", "claim_usual", "candidates", "promote", "expired", "prunable"])
def test_what_takes_the_first_rows_sorts_nothing(planner, name):
    connection, _ = planner
    connection.execute("set enable_sort to off")  # to sort the rows of an empty table costs nothing
    lines = plan(planner, getattr(statements("postgres", "jobs"), name))

    connection.execute("reset enable_sort")

    assert [line for line in lines if re.search(r"(?<!Incremental )Sort  \(", line)] == []


def test_the_test_for_scans_can_fail(planner):
    assert scanned(plan(planner, "select * from main.jobs where requester = :r"))
    assert scanned(plan(planner, "select * from main.jobs order by id"))
    assert scanned(plan(planner, "select * from unnest(:ids::bigint[]) as id where id = any(:ids::bigint[])"))
