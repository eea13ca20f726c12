"""The audit trail, and what subscribers are told."""

from __future__ import annotations

import logging

import pytest

from jobyard import BadArguments, JobEnqueued, JobFinished, JobRetried, JobStarted, WorkerStarted
from jobyard.testing import run_now


@pytest.fixture
def trail(yard, tasks, clock):
    first, second = tasks.echo.enqueue(), tasks.echo.enqueue()
    first.suspend()
    clock.advance(60)
    second.cancel()
    yard.queues.pause("default")
    return first, second


def test_the_trail_comes_newest_first(yard, trail):
    assert [event.kind for event in yard.events()] == ["pause", "cancel", "suspend"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"kind": "cancel"}, ["cancel"]),
        ({"user": "ann"}, ["pause", "cancel", "suspend"]),
        ({"user": "bob"}, []),
        ({"limit": 1}, ["pause"]),
        ({"machine": "m"}, []),
        ({"definition": "d"}, []),
    ],
)
def test_conditions(yard, trail, condition, expected):
    assert [event.kind for event in yard.events(**condition)] == expected


def test_events_of_a_job_by_object_or_id(yard, trail):
    for job in (trail[0], trail[0].id):
        assert [(event.kind, event.job, event.user) for event in yard.events(job=job)] == [
            ("suspend", trail[0].id, "ann")
        ]


def test_events_since_an_instant(yard, trail, clock):
    assert [event.kind for event in yard.events(since=clock.now())] == ["pause", "cancel"]
    assert yard.events(kind="cancel")[0].at == clock.now()


@pytest.mark.parametrize("id", [99, 2**63, -(2**70)])
def test_of_a_job_that_cannot_be_there_are_none(yard, tasks, id):
    tasks.echo.enqueue().cancel()

    assert yard.events(job=id) == []


@pytest.mark.parametrize("job", ["x", 1.5, True, []])
def test_what_is_no_job_is_refused(yard, job):
    with pytest.raises(BadArguments, match="job"):
        yard.events(job=job)


@pytest.mark.parametrize("condition", ["kind", "definition", "machine", "user"])
def test_under_a_name_that_nothing_can_have_there_are_none(yard, trail, condition):
    assert yard.events(**{condition: "a\0"}) == []


def test_a_limit_below_nothing_is_refused(yard):
    with pytest.raises(BadArguments, match="limit"):
        yard.events(limit=-1)


def test_a_refused_action_leaves_no_event(yard, tasks):
    job = tasks.echo.enqueue()
    with pytest.raises(ValueError):
        job.resume()

    assert yard.events() == []


def test_subscribers_are_told_what_happens(yard, tasks):
    told = []
    for kind in (JobEnqueued, JobStarted, JobFinished, JobRetried, WorkerStarted):
        yard.on(kind)(told.append)

    job = tasks.fail.using(retry=2).enqueue()
    run_now(yard)

    names = [type(happening).__name__ for happening in told]
    assert names == ["JobEnqueued", "WorkerStarted", "JobStarted", "JobRetried"]
    assert [happening.job for happening in told if hasattr(happening, "job")] == [job.id] * 3


def test_a_subscriber_that_raises_is_logged_and_stops_nothing(yard, tasks, caplog):
    @yard.on(JobStarted)
    def broken(_):
        raise ValueError("subscriber")

    job = tasks.echo.enqueue(1)
    run_now(yard)

    assert job.wait(0).result == 1
    assert "subscriber" in caplog.text


def test_functions_run_when_a_worker_starts_and_stops(yard, tasks, caplog):
    seen = []

    @yard.on_start
    def started():
        seen.append("start")

    @yard.on_stop
    def stopped():
        seen.append("stop")

    @yard.on_start
    def broken():
        raise ValueError("on start")

    tasks.echo.enqueue()
    with caplog.at_level(logging.ERROR):
        assert run_now(yard).succeeded == 1

    assert seen == ["start", "stop"]
    assert "on start" in caplog.text
