"""Transactions that meet: what one does while the other has not committed yet, in every order."""

from __future__ import annotations

import threading

import psycopg
import pytest
from tests import postgres
from tests.store.acts import act, claim, end, new, put, settle, settled, status
from tests.store.processes import run
from tests.support import eventually

from jobyard.store import migrate
from jobyard.store.jobs import json_text


@pytest.fixture
def bare_url():
    url = postgres.new_schema(postgres.shared())
    yield url
    postgres.drop_schema(url)


@pytest.fixture
def waits(bare_url):
    """How many transactions of this server wait for a lock."""
    with psycopg.connect(bare_url.partition("?")[0], autocommit=True) as connection:
        yield lambda: connection.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'jobyard'"
        ).fetchone()[0]


class Meanwhile:
    """An action in a thread, which has to wait for what this one holds."""

    def __init__(self, waits, action):
        self._results = []
        self._thread = threading.Thread(target=lambda: self._results.append(action()))
        self._thread.start()
        eventually(waits)
        assert self._results == []

    def result(self):
        self._thread.join(20)
        return self._results[0]


def finish(store, tx, row):
    return settle(tx, store.jobs, [settled(store, row)], {}, "w", store.now())


def begin_claim(store, tx, limit=1):
    return store.jobs.claim(tx, ["default"], tasks=json_text(["t"]), worker=1, limit=limit, now=store.now())


def test_two_parents_that_end_at_once_wake_their_child(store, waits):
    first, second, child = put(store, new(), new(), new(after=[-1, -2]))
    rows = claim(store, limit=2)

    with store.transaction() as tx:
        finish(store, tx, rows[0])
        other = Meanwhile(waits, lambda: end(store, rows[1]))
    other.result()

    assert [status(store, id) for id in (first, second, child)] == ["succeeded", "succeeded", "queued"]


def test_a_child_that_is_stored_while_its_parent_ends_is_ready(store, waits):
    put(store)
    [parent] = claim(store)

    with store.transaction() as tx:
        finish(store, tx, parent)
        storing = Meanwhile(waits, lambda: put(store, new(after=[parent.id])))

    assert status(store, storing.result()[0]) == "queued"


def test_a_parent_that_ends_while_its_child_is_stored_wakes_it(store, waits):
    put(store)
    [parent] = claim(store)

    with store.transaction() as tx:
        [stored] = store.jobs.insert(tx, [new(after=[parent.id])], store.now())
        ending = Meanwhile(waits, lambda: end(store, parent))
    ending.result()

    assert status(store, stored.row.id) == "queued"


def test_a_cancel_that_meets_a_claim_asks_the_worker(store, waits):
    [id] = put(store)

    with store.transaction() as tx:
        begin_claim(store, tx)
        canceling = Meanwhile(waits, lambda: act(store, "cancel", id))

    assert (canceling.result()[0], status(store, id)) == (True, "canceling")


def test_a_claim_that_meets_a_cancel_passes_it_over(store):
    first, second = put(store, new(), new())

    with store.transaction() as tx:
        store.control.cancel(tx, first, None, store.now())
        claimed = claim(store, limit=1)

    assert [row.id for row in claimed] == [second]
    assert status(store, first) == "canceled"


def test_a_cancel_that_meets_a_finish_comes_too_late(store, waits):
    put(store)
    [row] = claim(store)

    with store.transaction() as tx:
        finish(store, tx, row)
        canceling = Meanwhile(waits, lambda: act(store, "cancel", row.id))

    assert canceling.result()[:2] == (False, f"job {row.id} is already succeeded")


def test_a_finish_that_meets_a_cancel_counts(store, waits):
    put(store)
    [row] = claim(store)

    with store.transaction() as tx:
        store.control.cancel(tx, row.id, None, store.now())
        ending = Meanwhile(waits, lambda: end(store, row))

    assert len(ending.result().done) == 1
    assert status(store, row.id) == "succeeded"


def test_a_claim_takes_no_more_than_its_limit_from_under_another(store):
    ids = put(store, *[new() for _ in range(30)])

    with store.transaction() as tx:
        first = [row.id for row in begin_claim(store, tx, 10)]
        second = [row.id for row in claim(store, limit=10)]

    assert (first, second) == (ids[:10], ids[10:20])


def test_an_upgrade_that_is_killed_half_way_leaves_nothing(bare_store, bare_url, waits):
    code = """
        from jobyard.store import open_store
        from jobyard.store.sql import statements
        store = open_store(url)
        sql = statements("postgres", "schema")
        with store.driver.transaction() as tx:
            tx.execute(sql.lock)
            tx.execute(sql.create_schema)
            tx.execute("create table main.jobs (x integer)")
            print("half", flush=True)
            import time
            time.sleep(60)
        """
    process = run(code, url=bare_url)
    assert process.stdout.readline() == "half\n", process.stderr.read()
    upgrading = Meanwhile(waits, bare_store.upgrade)
    process.kill()
    process.communicate()

    assert len(upgrading.result()) == migrate.status(bare_store.driver).needed
    assert put(bare_store) == [1]
