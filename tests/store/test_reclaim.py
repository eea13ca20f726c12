"""The jobs of lost workers are taken back."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, end, make, new, put, row, status

from jobyard.store.events import EventFilter

LOST_AFTER = 30 * SECOND


def reclaim(store, *, spare=0, max_crashes=3):
    with store.transaction() as tx:
        return store.reclaimer.reclaim(
            tx, before=store.now() - LOST_AFTER, max_crashes=max_crashes, spare=spare, now=store.now()
        )


def beat(store, worker, state="running"):
    with store.transaction() as tx:
        return store.workers.beat(tx, worker, state, store.now())


def workers(store):
    with store.read() as tx:
        return {worker.id: worker for worker in store.workers.all(tx)}


def events(store, **conditions):
    with store.read() as tx:
        return store.events.find(tx, EventFilter(**conditions))


def test_a_silent_worker_loses_its_jobs(store, clock):
    worker = add_worker(store, "w1")
    put(store)
    [claimed] = claim(store, worker=worker)
    clock.advance(31)

    result = reclaim(store)

    found = row(store, claimed.id)
    assert [w.id for w in result.workers] == [worker]
    assert result.ready
    assert (status(store, claimed.id), found.crashes, found.epoch, found.worker) == ("queued", 1, 2, None)
    assert workers(store)[worker].state == "lost"
    [event] = events(store, kind="reclaim")
    assert (event.job, event.data["worker"], event.data["crashes"]) == (claimed.id, "w1", 1)
    assert event.machine == "m"
    assert "silent for 31 s" in event.data["why"]


def test_a_quiescing_machine_goes_offline_with_its_last_worker(store, clock):
    with store.transaction() as tx:
        store.machines.register(tx, "m", store.now())
        store.machines.quiesce(tx, "m", None, None, store.now())
    worker = add_worker(store)
    put(store)
    claim(store, worker=worker)
    clock.advance(31)

    reclaim(store)

    with store.read() as tx:
        assert store.machines.get(tx, "m").state == "offline"


def test_one_that_beats_keeps_them(store, clock):
    worker = add_worker(store)
    put(store)
    claim(store, worker=worker)
    clock.advance(20)
    assert beat(store, worker)
    clock.advance(30)

    assert reclaim(store).workers == []

    clock.advance(0.000001)
    assert len(reclaim(store).workers) == 1


def test_the_one_that_asks_is_not_lost(store, clock):
    worker = add_worker(store)
    clock.advance(60)

    assert reclaim(store, spare=worker).workers == []


def test_a_lost_worker_never_comes_back_to_life(store, clock):
    worker = add_worker(store)
    clock.advance(60)
    reclaim(store)

    assert not beat(store, worker)
    assert workers(store)[worker].state == "lost"
    assert reclaim(store).workers == []


def test_a_stopped_worker_is_not_lost(store, clock):
    worker = add_worker(store)
    with store.transaction() as tx:
        assert store.workers.end(tx, worker, "stopped", store.now())
        assert not store.workers.end(tx, worker, "stopped", store.now())
    clock.advance(60)

    assert reclaim(store).workers == []
    with store.read() as tx:
        assert store.workers.alive(tx) == []


def test_what_the_lost_run_still_reports_is_refused(store, clock):
    worker = add_worker(store)
    put(store)
    [claimed] = claim(store, worker=worker)
    clock.advance(60)
    reclaim(store)
    [current] = claim(store, worker=99)

    settlement = end(store, claimed, result='"late"')

    assert [item.row.id for item in settlement.stale] == [claimed.id]
    assert row(store, claimed.id) == current


def test_the_last_reclaim_of_all_fails_the_job_as_poison(store, clock):
    put(store)
    for n in range(3):
        assert status(store, 1) == "queued", n
        claim(store, worker=add_worker(store))
        clock.advance(60)
        result = reclaim(store, max_crashes=3)

    assert status(store, 1) == "failed"
    assert "poison" in row(store, 1).error
    assert "3 times" in row(store, 1).error
    assert not result.ready
    assert [event.data["status"] for event in events(store, kind="reclaim")] == ["failed", "queued", "queued"]


def test_a_poisoned_job_of_several_ops_keeps_the_results_it_had(store, clock):
    [id] = put(store, new(ops=["a", "b"]))
    [claimed] = claim(store, tasks="ab", worker=add_worker(store))
    end(store, claimed, result='"a"')
    clock.advance(60)

    reclaim(store, max_crashes=1)

    with store.read() as tx:
        first, second = store.jobs.ops(tx, [id])[id]
    assert status(store, id) == "failed"
    assert first.result == '"a"'
    assert "silent" in second.error


def test_poison_fails_those_that_wait_for_it(store, clock):
    _, child = put(store, new("p"), new(after=[-1]))
    claim(store, tasks=["p"], worker=add_worker(store))
    clock.advance(60)

    reclaim(store, max_crashes=1)

    assert status(store, child) == "failed"


def test_a_canceling_job_of_a_lost_worker_is_canceled(store, clock):
    put(store)
    [claimed] = claim(store, worker=add_worker(store))
    act(store, "cancel", claimed.id)
    clock.advance(60)

    reclaim(store)

    assert status(store, claimed.id) == "canceled"


def test_a_reclaim_spends_no_failure_of_the_retry_policy(store, clock):
    put(store)
    claim(store, worker=add_worker(store))
    clock.advance(60)
    reclaim(store)

    [again] = claim(store)

    assert (again.failures, again.crashes, again.attempt) == (0, 1, 2)
    with store.read() as tx:
        [attempt] = store.jobs.attempts(tx, again.id)
    assert (attempt.number, attempt.outcome) == (1, "crashed")


def test_jobs_without_a_worker_are_not_touched(store, clock):
    add_worker(store)
    waiting = [make(store, state) for state in ("scheduled", "queued", "waiting", "suspended", "succeeded")]
    before = [row(store, id) for id in waiting]
    clock.advance(60)

    reclaim(store)

    assert [row(store, id) for id in waiting] == before


def test_jobs_of_a_dead_child_are_taken_back_at_once(store):
    put(store, new(), new())
    rows = claim(store, worker=add_worker(store))

    with store.transaction() as tx:
        settlement = store.reclaimer.take_back(tx, rows[:1], "child 7 died of SIGSEGV", "w", 3, store.now())

    assert settlement.ready
    assert [status(store, row.id) for row in rows] == ["queued", "running"]
    assert "SIGSEGV" in row(store, rows[0].id).error


@pytest.mark.parametrize(("queues", "tasks"), [(None, []), (["a", "b"], ["t"])])
def test_a_worker_is_found_as_it_was_registered(store, queues, tasks):
    worker = add_worker(store, "w", queues=queues, tasks=tasks, machine="host", pid=12, concurrency=4, processes=2)

    with store.read() as tx:
        found = store.workers.get(tx, worker)
        assert store.workers.get(tx, None) is None
        assert store.workers.alive(tx) == store.workers.all(tx) == [found]
    assert found == (worker, "w", "host", 12, queues, tasks, 4, 2, store.now(), store.now(), "running", None)
