"""Finding and counting jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobyard import BadArguments, Status, UnknownJob
from jobyard.testing import run_now


@pytest.fixture
def three(yard, tasks, clock):
    """A sum that will succeed, an hour later a failure of bob's, and an hour later one that is scheduled."""
    jobs = [tasks.add.using(queue="sums").enqueue(1)]
    clock.advance(3600)
    jobs.append(tasks.fail.using(requester="bob").enqueue())
    clock.advance(3600)
    jobs.append(tasks.add.using(queue="sums", due=timedelta(hours=1), priority=3).enqueue(2))
    run_now(yard)
    return jobs


def test_a_job_is_found_by_its_id(yard, three):
    assert [yard.job(job.id) for job in three] == three


@pytest.mark.parametrize("id", [99, 0, -1, 2**63, -(2**70)])
def test_an_unknown_id_is_said(yard, three, id):
    with pytest.raises(UnknownJob, match=str(id)):
        yard.job(id)


@pytest.mark.parametrize("id", ["1", None, True, 1.0])
def test_what_is_no_id_is_refused(yard, id):
    with pytest.raises(BadArguments, match="id="):
        yard.job(id)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, [2, 1, 0]),
        ({"order": "id"}, [0, 1, 2]),
        ({"order": "-id"}, [2, 1, 0]),
        ({"limit": 2}, [2, 1]),
        ({"limit": 1, "order": "id"}, [0]),
        ({"limit": None}, [2, 1, 0]),
        ({"limit": 2**70}, [2, 1, 0]),
        ({"limit": 0}, []),
        ({"status": "failed"}, [1]),
        ({"status": Status.SCHEDULED}, [2]),
        ({"status": ["succeeded", "failed"]}, [1, 0]),
        ({"status": []}, []),
        ({"queue": "sums"}, [2, 0]),
        ({"queue": {"sums", "default"}}, [2, 1, 0]),
        ({"task": "add"}, [2, 0]),
        ({"task": ("add", "fail")}, [2, 1, 0]),
        ({"requester": "bob"}, [1]),
        ({"requester": "eve"}, []),
        ({"definition": "none"}, []),
        ({"queue": "sums", "status": "succeeded"}, [0]),
    ],
)
def test_conditions(yard, three, condition, expected):
    assert yard.jobs(**condition) == [three[n] for n in expected]


def test_since_is_included_and_until_is_not(yard, three):
    first, second, third = (job.received_at for job in three)

    assert yard.jobs(since=second) == [three[2], three[1]]
    assert yard.jobs(until=second) == [three[0]]
    assert yard.jobs(since=second, until=third) == [three[1]]
    assert yard.jobs(since=first, until=first) == []


def test_a_hundred_come_by_default(yard, tasks):
    yard.enqueue_many([tasks.add.new(n) for n in range(120)])

    assert len(yard.jobs()) == 100
    assert len(yard.jobs(limit=None)) == 120
    assert yard.jobs()[0].id == 120


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"status": "done"}, "done"),
        ({"status": ["queued", "done"]}, "done"),
        ({"order": "name"}, "name"),
        ({"since": 5}, "since"),
        ({"until": "2026-01-01"}, "until"),
        ({"limit": -1}, "limit"),
        ({"limit": "10"}, "limit"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(yard, condition, named):
    with pytest.raises(BadArguments, match=named):
        yard.jobs(**condition)


def test_a_naive_instant_is_refused(yard, clock):
    with pytest.raises(BadArguments, match="since"):
        yard.jobs(since=clock.now().replace(tzinfo=None))


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ((), 3),
        (("status",), {("succeeded",): 1, ("failed",): 1, ("scheduled",): 1}),
        ("queue", {("sums",): 2, ("default",): 1}),
        (
            ("queue", "status"),
            {("sums", "succeeded"): 1, ("sums", "scheduled"): 1, ("default", "failed"): 1},
        ),
        (("requester",), {(None,): 2, ("bob",): 1}),
        (("priority", "task"), {(0, "add"): 1, (0, "fail"): 1, (3, "add"): 1}),
        (("definition",), {(None,): 3}),
    ],
)
def test_counts(yard, three, by, expected):
    assert yard.count(by) == expected


def test_counts_are_by_queue_and_status_when_nothing_is_said(yard, three):
    assert yard.count() == yard.count(by=("queue", "status"))


def test_counts_of_an_empty_store(yard):
    assert (yard.count(), yard.count(by=())) == ({}, 0)


def test_a_count_by_what_jobs_do_not_have_is_refused(yard):
    with pytest.raises(BadArguments, match="colour"):
        yard.count(by=("queue", "colour"))


@pytest.mark.parametrize("more", ["\0", "\0x", "\ud800"])
def test_a_name_that_no_store_can_hold_finds_nothing(yard, three, more):
    assert yard.jobs(queue=f"sums{more}") == []
    assert yard.jobs(requester=f"bob{more}") == []
    assert yard.events(user=f"ann{more}") == []
    assert yard.queues.get(f"sums{more}").counts == {}
