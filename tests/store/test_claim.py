"""Who is handed which job, and in which order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.acts import SECOND, act, claim, insert, make, new, put, row, status, statuses

from jobyard.store.jobs import json_text


def ids(rows):
    return [row.id for row in rows]


def test_a_claimed_job_is_running_with_a_higher_epoch(store):
    [id] = put(store)

    [claimed] = claim(store, worker=7)

    assert claimed == row(store, id)
    assert (status(store, id), claimed.epoch, claimed.attempt, claimed.worker) == ("running", 1, 1, 7)
    assert claimed.started_at == store.now()


def test_jobs_stored_together_are_claimed_in_their_order(store):
    stored = put(store, *[new() for _ in range(20)])

    assert ids(claim(store)) == stored == sorted(stored)


def test_the_more_urgent_priority_comes_first(store):
    late, urgent, usual = put(store, new(priority=5), new(priority=-20), new())

    assert ids(claim(store)) == [urgent, usual, late]


def test_a_requested_job_goes_before_automatic_ones_of_its_priority(store):
    urgent, first, asked = put(store, new(priority=-1), new(), new())

    act(store, "run_now", asked)

    assert ids(claim(store)) == [urgent, asked, first]


def test_the_one_due_earlier_comes_first(store, clock):
    late, early = put(store, new(delay=20 * SECOND), new(delay=10 * SECOND))
    clock.advance(30)
    last = put(store)[0]

    assert ids(claim(store)) == [early, late, last]


def test_claims_go_across_queues_in_one_order(store):
    third, first, second = put(
        store, new(queue="a", priority=3), new(queue="b", priority=1), new(queue="a", priority=2)
    )
    put(store, new(queue="other"))

    assert ids(claim(store, queues=["a", "b"])) == [first, second, third]


def test_a_limit_across_queues_takes_the_best_of_all(store):
    put(store, new(queue="a", priority=3))
    best = put(store, new(queue="b", priority=1), new(queue="a", priority=2))

    assert ids(claim(store, queues=["a", "b"], limit=2)) == best


def test_no_more_than_the_limit_is_claimed(store):
    stored = put(store, *[new() for _ in range(5)])

    assert ids(claim(store, limit=2)) == stored[:2]
    assert ids(claim(store, limit=9)) == stored[2:]
    assert claim(store) == []


def test_jobs_of_unknown_tasks_are_passed_over(store):
    unknown, known = put(store, new("new task"), new("t"))

    assert ids(claim(store)) == [known]
    assert status(store, unknown) == "queued"


def test_other_queues_are_left_alone(store):
    put(store, new(queue="other"))

    assert claim(store, queues=["default"]) == []


@pytest.mark.parametrize("state", ["scheduled", "waiting", "suspended", "running", "canceling", "succeeded", "failed"])
def test_only_queued_jobs_are_claimed(store, state):
    id = make(store, state)

    assert id not in ids(claim(store, queues=["default", f"of {state}"]))


def test_aging_lets_an_old_job_overtake_urgent_ones(store, clock):
    with store.transaction() as tx:
        store.queues.change(tx, "aged", aging=10.0)
    old = put(store, new(queue="aged", priority=3))[0]
    clock.advance(25)
    middle = put(store, new(queue="aged", priority=1))[0]
    urgent = put(store, new(queue="aged", priority=0))[0]

    assert ids(claim(store, queues=["aged"])) == [urgent, old, middle]


def test_a_queue_gives_its_priority_to_jobs_that_name_none(store):
    with store.transaction() as tx:
        store.queues.change(tx, "default", priority=-5)

    plain, own = insert(store, new(), new(priority=3))

    assert (plain.row.priority, own.row.priority) == (-5, 3)


def test_any_ready_looks_at_queues_and_tasks(store):
    put(store, new("t", queue="q"))

    with store.read() as tx:
        assert store.jobs.any_ready(tx, ["a", "q"], json_text(["t"]))
        assert not store.jobs.any_ready(tx, ["a"], json_text(["t"]))
        assert not store.jobs.any_ready(tx, ["q"], json_text(["u"]))


def test_ready_queues_are_those_with_queued_jobs(store):
    put(store, new(queue="b"), new(queue="a"), new(queue="a"), new(queue="c", delay=SECOND))

    with store.read() as tx:
        assert store.jobs.ready_queues(tx) == ["a", "b"]


def test_threads_that_claim_never_share_a_job(store):
    stored = put(store, *[new() for _ in range(200)])

    def drain(worker):
        taken = []
        while batch := claim(store, worker=worker, limit=7):
            taken += ids(batch)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [id for each in pool.map(drain, range(1, 5)) for id in each]

    assert sorted(taken) == stored
    assert statuses(store, stored[:3]) == ["running"] * 3
