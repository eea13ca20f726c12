"""Transactions that meet: what one does while the other has not committed yet, in every order."""

from __future__ import annotations

import itertools
import threading

import psycopg
import pytest
from tests import postgres
from tests.store.acts import act, add_worker, claim, end, new, put, settle, settled, status
from tests.store.processes import run
from tests.support import eventually

from jobyard.model.messages import Ended
from jobyard.model.retry import Retry
from jobyard.store import migrate
from jobyard.store.invariants import check_invariants
from jobyard.store.jobs import json_text

ORDERS = list(itertools.permutations(("cancel", "claim", "finish")))


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield url


@pytest.fixture
def store(store):
    """With the worker that claims, whose id is 1."""
    add_worker(store)
    return store


@pytest.fixture(autouse=True)
def sound(bare_store):
    """Whatever met, the store keeps what must always hold."""
    yield
    assert check_invariants(bare_store, now=bare_store.now(), lost_after=30, max_crashes=3) == []


@pytest.fixture
def waits(bare_url):
    """How many transactions of this database wait for a lock."""
    with psycopg.connect(bare_url.partition("?")[0], autocommit=True) as connection:
        yield lambda: connection.execute(
            "select count(*) from pg_stat_activity "
            "where wait_event_type = 'Lock' and application_name = 'jobyard' and datname = current_database()"
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
    return store.jobs.ask_claim(tx, ["default"], tasks=json_text(["t"]), worker=1, limit=limit, now=store.now())()


def meet(store, waits, row, order):
    """
    Cancel the job of the row, claim and finish it, in this order: two while the first has not committed.

    Each of these two has either come to its end or waits for a lock before the next begins. Returns what each gave.
    """
    acts = {
        "cancel": lambda tx: store.control.cancel(tx, row.id, None, store.now())[0],
        "claim": lambda tx: [claimed.id for claimed in begin_claim(store, tx)],
        "finish": lambda tx: len(finish(store, tx, row).done),
    }
    gave = {}

    def alone(name):
        with store.transaction() as tx:
            gave[name] = acts[name](tx)

    others = [threading.Thread(target=alone, args=[name]) for name in order[1:]]
    with store.transaction() as tx:
        gave[order[0]] = acts[order[0]](tx)
        for begun, other in enumerate(others, 1):
            other.start()
            eventually(lambda begun=begun: waits() == sum(thread.is_alive() for thread in others[:begun]))
    for other in others:
        other.join(20)
    return gave["cancel"], gave["claim"], gave["finish"]


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


def test_a_claim_that_meets_a_failure_gets_the_next_attempt_once_it_is_stored(store):
    put(store)
    [row] = claim(store)

    with store.transaction() as tx:
        item = settled(store, row, Ended.RAISED, retry=Retry(attempts=2, delay=0))
        settle(tx, store.jobs, [item], {}, "w", store.now())
        assert claim(store) == []

    assert [(again.id, again.attempt) for again in claim(store)] == [(row.id, 2)]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_cancel_claim_and_finish_meet(store, waits, order):
    """The job is held: no claim gets it, and its end counts whether or not it is being canceled."""
    put(store)
    [row] = claim(store)

    canceled, claimed, finished = meet(store, waits, row, order)

    assert (claimed, finished) == ([], 1)
    assert canceled is (order.index("cancel") < order.index("finish"))
    assert status(store, row.id) == "succeeded"


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_cancel_claim_and_the_finish_of_a_lost_worker_meet(store, waits, order):
    """The job was given back: the late end changes nothing, and the claim gets the job unless the cancel does."""
    put(store)
    [row] = claim(store)
    end(store, row, Ended.DRAINED)

    canceled, claimed, finished = meet(store, waits, row, order)

    is_first = order.index("claim") < order.index("cancel")
    assert (canceled, finished) == (True, 0)
    assert claimed == ([row.id] if is_first else [])
    assert status(store, row.id) == ("canceling" if is_first else "canceled")


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
