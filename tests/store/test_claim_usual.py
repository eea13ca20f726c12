"""A claim in one statement gives jobs only where a whole turn would have nothing else to do."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, add_worker, claim, new, put, row, statuses

from jobyard.model.machine import OfflineReason
from jobyard.store.jobs import json_text


@pytest.fixture
def worker(store):
    with store.transaction() as tx:
        store.machines.register(tx, "m", store.now())
    return add_worker(store)


def glance(store, worker, *, queue="default", serves_all=True, tasks=("t",), limit=10):
    rows = store.claim_usual(queue, serves_all=serves_all, tasks=json_text(list(tasks)), worker=worker, limit=limit)
    return [row.id for row in rows]


def test_it_claims_as_any_claim_does(store, worker):
    late, urgent, usual, other = put(store, new(priority=5), new(priority=-20), new(), new(task="unknown"))

    assert glance(store, worker, limit=2) == [urgent, usual]
    assert glance(store, worker) == [late]
    assert statuses(store, [late, urgent, usual, other]) == ["running"] * 3 + ["queued"]
    claimed = row(store, urgent)
    assert (claimed.epoch, claimed.attempt, claimed.worker, claimed.started_at) == (1, 1, worker, store.now())


def test_a_unique_key_that_is_held_until_the_start_is_let_go(store, worker):
    held, free = put(store, new(unique="a", unique_for="finish"), new(unique="b", unique_for="start"))

    assert glance(store, worker) == [held, free]
    assert (row(store, held).unique_key, row(store, free).unique_key) == ("a", None)


@pytest.mark.parametrize(
    "unusual",
    [
        pytest.param(lambda store: put(store, new(queue="other")), id="another queue has jobs"),
        pytest.param(lambda store: put(store, new(ops=["t", "t"])), id="one has several ops"),
        pytest.param(lambda store: put(store, new(definition="d")), id="one is of a definition"),
        pytest.param(lambda store: crash(store), id="one may have killed its worker"),
    ],
)
def test_jobs_that_need_more_are_left_with_all_others(store, worker, unusual):
    unusual(store)
    put(store)

    assert glance(store, worker) == []
    assert set(statuses(store, all_of(store))) == {"queued"}


def test_jobs_that_take_results_are_left(store, worker):
    [parent] = put(store)
    assert glance(store, worker) == [parent]

    with store.transaction() as tx:
        tx.execute("update main.jobs set refs = '[]', status = 1 where id = :id", {"id": parent})

    assert glance(store, worker) == []


def test_another_queue_is_nothing_to_a_worker_that_does_not_serve_it(store, worker):
    put(store, new(queue="other"))
    ids = put(store)

    assert glance(store, worker, serves_all=False) == ids


def test_nothing_is_given_once_a_job_has_come_due(store, worker, clock):
    [later] = put(store, new(delay=10 * SECOND, queue="other"))
    [first] = put(store)
    assert glance(store, worker) == [first]

    put(store)
    clock.advance(10)

    assert glance(store, worker) == []
    assert statuses(store, [later]) == ["scheduled"]


def test_nothing_is_given_once_a_job_has_expired(store, worker, clock):
    put(store, new(expires=10 * SECOND, priority=5))
    assert len(glance(store, worker)) == 1
    put(store, new(expires=10 * SECOND, priority=5), new())
    clock.advance(10)

    assert glance(store, worker) == []


def test_nothing_is_given_from_a_queue_with_options(store, worker):
    put(store)
    with store.transaction() as tx:
        store.queues.change(tx, "default", timeout=5.0)

    assert glance(store, worker) == []


@pytest.mark.parametrize("state", ["quiesce", "offline"])
def test_nothing_is_given_to_a_machine_that_is_not_online(store, worker, state):
    put(store)
    with store.transaction() as tx:
        said = (None, None) if state == "quiesce" else (OfflineReason.STOPPED, None, None)
        getattr(store.machines, state)(tx, "m", *said, store.now())

    assert glance(store, worker) == []


def test_nothing_is_given_to_a_worker_that_was_declared_lost(store, worker):
    put(store)
    with store.transaction() as tx:
        store.workers.end(tx, worker, "lost", store.now())

    assert glance(store, worker) == []


def test_nothing_is_given_from_tables_of_a_newer_version(store, worker):
    put(store)
    assert len(glance(store, worker)) == 1
    put(store)
    with store.transaction() as tx:
        tx.execute("insert into main.schema_version (version, word, applied_at) values (99, 'newer', 1)")

    assert glance(store, worker) == []


def test_a_machine_that_nobody_knows_is_no_hindrance(store):
    ids = put(store)

    assert glance(store, add_worker(store, machine="unheard of")) == ids


def crash(store):
    [id] = put(store)
    claim(store)
    with store.transaction() as tx:
        tx.execute("update main.jobs set crashes = 1, status = 1 where id = :id", {"id": id})


def all_of(store):
    with store.read() as tx:
        return [id for (id,) in tx.fetch("select id from main.jobs")]
