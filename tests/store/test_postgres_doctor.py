"""What the doctor tells of a PostgreSQL server."""

from __future__ import annotations

import re
import time
from contextlib import closing

import psycopg
import pytest
from tests import postgres
from tests.store.acts import claim, end, put
from tests.support import eventually

from jobyard.store import open_store
from jobyard.store.invariants import facts
from jobyard.store.postgres import facts as told_of

DAY = 86_400


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield url


@pytest.fixture
def other(url):
    """A session beside the store's."""
    with psycopg.connect(url.partition("?")[0], autocommit=True, application_name="theirs") as connection:
        yield connection


@pytest.fixture
def server():
    """A server of our own, whose queue of notifications is small, and whose transactions can be prepared."""
    if postgres.GIVEN:
        pytest.skip("JOBYARD_TEST_PG names a server, and this test needs one with settings of its own")
    server = postgres.Server(max_notify_queue_pages="64", max_prepared_transactions="2")
    yield server
    server.remove()


def told(store):
    return facts(store, store.now())


def test_the_oldest_transaction_is_told(store, other, monkeypatch):
    other.execute("begin")
    eventually(lambda: told(store)["oldest_transaction"] > 0.1)
    assert told(store)["faults"] == []

    monkeypatch.setattr(told_of, "_HOUR", 0.1)

    [fault] = told(store)["faults"]
    assert "has had a transaction open for" in fault


def test_a_role_that_cannot_see_the_transactions_of_others_is_told_so(store, url, other):
    role = f"{store.driver.schema}_blind"
    other.execute(f"create role {role} login")
    other.execute("begin")
    try:
        other.execute(f"grant usage on schema {store.driver.schema} to {role}")
        other.execute(f"grant select on all tables in schema {store.driver.schema} to {role}")
        other.execute("commit")
        other.execute("begin")
        with closing(open_store(url.replace("postgres@", f"{role}@"))) as theirs:
            seen = told(theirs)
    finally:
        other.execute("rollback")
        other.execute(f"drop owned by {role}; drop role {role}")

    assert seen["oldest_transaction"] is None
    assert "grant it pg_read_all_stats" in seen["transactions_seen"]
    assert seen["connections"] >= 2  # those it sees nothing of are counted
    assert told(store)["transactions_seen"] == "all"


def test_dead_rows_are_counted(store, other):
    other.execute(f"alter table {store.driver.schema}.jobs set (autovacuum_enabled = off)")
    put(store)
    [job] = claim(store)
    end(store, job)

    assert eventually(lambda: told(store)["dead_rows"].get("jobs"), timeout=20) >= 1


def test_an_invalid_index_is_named(store, other):
    table = f"{store.driver.schema}.events"
    other.execute(f"insert into {table} (at, kind) select 1, 'twice' from generate_series(1, 2)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        other.execute(f"create unique index concurrently half_made on {table} (kind)")

    found = told(store)

    assert found["invalid_indexes"] == ["half_made"]
    assert found["faults"] == ["index half_made is invalid: reindex it"]


@pytest.mark.parametrize(
    ("ahead", "words"), [(DAY, r"8640\d\.\d s ahead of the server's"), (-10, r"\d s behind the server's")]
)
def test_the_clock_of_this_machine_is_compared(store, monkeypatch, ahead, words):
    here = told(store)
    assert (abs(here["clock_difference"]) < 5, here["warnings"]) == (True, [])
    real = time.time

    monkeypatch.setattr(time, "time", lambda: real() + ahead)

    there = told(store)
    assert there["clock_difference"] == pytest.approx(ahead, abs=4)
    assert there["faults"] == []
    [warning] = there["warnings"]
    assert re.search(words, warning)


def test_a_prepared_transaction_is_the_oldest(server, monkeypatch):
    with closing(open_store(server.url)) as store:
        store.upgrade()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("begin")
            connection.execute("prepare transaction 'their''s'")
        eventually(lambda: told(store)["oldest_transaction"] > 0.1)
        monkeypatch.setattr(told_of, "_HOUR", 0.1)

        [fault] = told(store)["faults"]

    assert "postgres, who prepared it as 'their''s', has had a transaction open for" in fault


def test_a_full_queue_of_notifications_and_a_standby_are_faults(server):
    with closing(open_store(server.url)) as store:
        store.upgrade()
        with psycopg.connect(server.url, autocommit=True) as sleeper, psycopg.connect(server.url) as sender:
            sleeper.execute("listen news")
            sleeper.execute("begin")
            sleeper.execute("select 1")
            for number in range(50):
                sender.execute("select pg_notify('news', %s)", [f"{number:07000}"])
                sender.commit()

            full = told(store)
        server.stand_by()
        standby = eventually(lambda: told(store))

    assert full["notify_queue"] > 0.5
    assert "% full: some listener sits in a transaction" in full["faults"][0]
    assert standby["faults"] == ["the server is a standby: it takes no writes"]
