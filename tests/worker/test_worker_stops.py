"""Runs that are stopped from outside, wherever they run: canceled, out of time, silent."""

import time

import pytest
from tests.support import eventually
from tests.worker import in_children
from tests.worker.serving import heard, serving

from jobyard import Retry
from jobyard.errors import InvalidTransition
from jobyard.model.events import SlotAbandoned

PLACES = ["thread", "process"]


@pytest.fixture
def yard(make_yard):
    return make_yard(app=in_children.HERE)


@pytest.fixture
def tasks(yard):
    return in_children.register(yard)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "began"


def placed(task, place):
    return task.using(isolation="process") if place == "process" else task


def begun(yard, task, marker, **options):
    """A job of this task whose code has begun."""
    job = task.enqueue(str(marker))
    eventually(marker.exists)
    return job


@pytest.mark.parametrize("place", PLACES)
def test_cancel_lets_polite_code_come_to_its_end(yard, tasks, marker, place):
    with serving(yard):
        job = begun(yard, placed(tasks["polite"], place), marker)
        assert job.cancel()[0]
        job.wait(10)

    assert (job.status, job.result) == ("succeeded", "left in peace")


@pytest.mark.parametrize(
    ("name", "place"), [("spin", "thread"), ("aspin", "thread"), ("spin", "process"), ("aspin", "process")]
)
def test_cancel_stops_code_that_never_looks(yard, tasks, marker, name, place):
    with serving(yard, concurrency=1) as server:
        job = begun(yard, placed(tasks[name], place), marker)
        job.cancel()
        job.wait(10)
        assert tasks["pid"].enqueue().wait(10).status == "succeeded"
        assert server.stop() == 0

    assert job.status == "canceled"
    assert job.attempt == 1


def test_a_child_that_swallows_everything_is_killed(yard, tasks, marker, monkeypatch):
    monkeypatch.setattr("jobyard.worker.hosts._GIVE_UP", 0.3)
    with serving(yard):
        job = begun(yard, placed(tasks["stubborn"], "process"), marker)
        job.cancel()
        job.wait(10)

    assert (job.status, job.refresh().attempt) == ("canceled", 1)


def test_a_thread_that_swallows_everything_is_replaced(yard, tasks, marker, monkeypatch):
    monkeypatch.setattr("jobyard.worker.hosts._GIVE_UP", 0.2)
    happened = heard(yard, SlotAbandoned)
    with serving(yard, concurrency=1) as server:
        job = begun(yard, tasks["stubborn"], marker)
        job.cancel()
        job.wait(10)
        tasks["pid"].enqueue().wait(10)
        assert server.stop() == 1, "a job that was given up did not come to its own end"

    assert job.status == "canceled"
    assert [(h.job, h.abandoned) for h in happened] == [(job.id, 1)]


@pytest.mark.parametrize(
    ("name", "place"), [("spin", "thread"), ("aspin", "thread"), ("spin", "process"), ("aspin", "process")]
)
def test_a_timeout_fails_the_attempt_and_leaves_its_stack(yard, tasks, marker, name, place):
    job = placed(tasks[name], place).using(timeout=0.2).enqueue(str(marker))
    summary = yard.worker(concurrency=1).run_until_idle()

    assert (summary.failed, job.refresh().status) == (1, "failed")
    assert job.error.type == "jobyard.errors.JobTimeout"
    assert "0.2 s" in str(job.error)
    assert any(frame.function == name for frame in job.stack().frames)


@pytest.mark.parametrize("place", PLACES)
def test_a_timeout_is_retried_like_any_failure(yard, tasks, marker, place):
    job = placed(tasks["spin"], place).using(timeout=0.1, retry=Retry(2, delay=0)).enqueue(str(marker))
    summary = yard.worker(concurrency=1).run_until_idle()

    assert (summary.retried, summary.failed, job.refresh().attempt) == (1, 1, 2)


@pytest.mark.parametrize("place", PLACES)
def test_a_silent_job_is_out_of_time_and_one_that_beats_is_not(yard, tasks, place, monkeypatch):
    monkeypatch.setattr("jobyard.worker.hosts._GIVE_UP", 0.2)  # a thread in a long sleep cannot be interrupted
    silent = placed(tasks["silent"], place).using(heartbeat_timeout=0.4).enqueue(30)
    beats = placed(tasks["beats"], place).using(heartbeat_timeout=0.4).enqueue(0.8)
    yard.worker().run_until_idle()

    assert (silent.refresh().status, beats.refresh().status) == ("failed", "succeeded")
    assert "heartbeat_timeout" in str(silent.error)


@pytest.mark.parametrize(
    ("name", "place"), [("spin", "thread"), ("aspin", "thread"), ("spin", "process"), ("aspin", "process")]
)
def test_the_stack_of_a_running_job(yard, tasks, marker, name, place):
    with serving(yard):
        job = begun(yard, placed(tasks[name], place), marker)
        eventually(lambda: any(frame.function == name for frame in job.stack().frames))
        frame = next(frame for frame in job.stack().frames if frame.function == name)
        assert str(marker) in str(frame)
        job.cancel()
        job.wait(10)
    with pytest.raises(InvalidTransition):
        tasks["pid"].enqueue().stack()


def test_a_job_ended_by_somebody_else_is_fenced_off(yard, tasks, marker):
    with serving(yard, concurrency=1) as server:
        job = begun(yard, tasks["polite"], marker)
        job.mark_unfinished_ops("failed", "by hand")
        eventually(lambda: server.worker.running == 0)
        tasks["pid"].enqueue().wait(10)

    assert (job.refresh().status, job.attempt) == ("failed", 1)


def test_a_claimed_job_that_was_canceled_in_line_never_begins(yard, tasks, marker):
    """Claimed ahead, since the task is known as short, and canceled before its slot was free."""
    with serving(yard, concurrency=1):
        first = begun(yard, tasks["polite"], marker)
        second = tasks["polite"].enqueue(str(marker) + "2")
        second.cancel()
        first.cancel()
        first.wait(10)
        second.wait(10)

    assert (second.status, second.attempt, second.started_at) == ("canceled", 0, None)
    assert not marker.with_name("began2").exists()


def test_time_in_line_does_not_count(yard, tasks):
    jobs = [tasks["silent"].using(timeout=0.5).enqueue(0.2) for _ in range(5)]
    began = time.monotonic()
    yard.worker(concurrency=1).run_until_idle()

    assert time.monotonic() - began >= 1
    assert {job.refresh().status for job in jobs} == {"succeeded"}
