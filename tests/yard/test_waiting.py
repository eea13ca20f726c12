"""Waiting for jobs: for the end of one, of several, and for a change."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager

import pytest

from jobyard import NO_CHANGE, UnknownField, UnknownJob, WaitTimeout
from jobyard.testing import run_now


@contextmanager
def working(yard):
    """A worker that runs beside the test."""
    worker = yard.worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


@pytest.fixture
def gate(yard):
    """A task that runs until the test opens the gate."""
    opened = threading.Event()

    @yard.task(name="gate")
    def gate(value=None):
        assert opened.wait(10)
        return value

    gate.open = opened.set
    yield gate
    opened.set()


def later(action, *args, seconds=0.05):
    timer = threading.Timer(seconds, action, args)
    timer.start()
    return timer


def test_wait_returns_the_finished_job_refreshed(yard, gate):
    job = gate.enqueue("value")
    later(gate.open)

    with working(yard):
        assert job.wait(timeout=10) is job

    assert (job.status, job.result) == ("succeeded", "value")


def test_wait_for_an_ended_job_returns_at_once_whatever_the_timeout(yard, tasks):
    job = tasks.echo.enqueue(1)
    run_now(yard)

    assert job.wait(timeout=0).result == 1


def test_wait_that_takes_too_long_leaves_the_job_alone(tasks):
    job = tasks.echo.enqueue()
    began = time.monotonic()

    with pytest.raises(WaitTimeout, match=f"job {job.id}"):
        job.wait(timeout=0.1)

    assert 0.1 <= time.monotonic() - began < 5
    assert issubclass(WaitTimeout, TimeoutError)
    assert job.refresh().status == "queued"


def test_wait_is_woken_by_the_commit_and_not_by_its_net(yard, tasks):
    """The net is a second."""
    job = tasks.echo.enqueue()
    timer = later(run_now, yard)
    began = time.monotonic()

    job.wait(timeout=10)

    timer.join()
    assert time.monotonic() - began < 0.9


def test_wait_for_several_gives_them_in_their_order(yard, tasks):
    jobs = [tasks.add.enqueue(n) for n in range(3)]
    later(run_now, yard).join()

    assert [job.result for job in yard.wait(jobs, timeout=10)] == [1, 2, 3]
    assert yard.wait([]) == []


def test_wait_for_several_has_one_timeout(yard, tasks):
    jobs = [tasks.echo.enqueue() for _ in range(5)]
    began = time.monotonic()

    with pytest.raises(WaitTimeout):
        yard.wait(jobs, timeout=0.1)

    assert time.monotonic() - began < 2


def test_as_completed_yields_them_as_they_end(yard, tasks):
    first, second = tasks.echo.using(queue="first").enqueue(1), tasks.echo.using(queue="second").enqueue(2)
    ends = yard.as_completed([first, second], timeout=10)

    yard.worker(queues="second").run_until_idle()
    assert next(ends).result == 2
    yard.worker(queues="first").run_until_idle()
    assert next(ends).result == 1
    assert list(ends) == []


def test_as_completed_that_takes_too_long_has_given_those_that_ended(yard, tasks):
    ended = tasks.echo.enqueue()
    run_now(yard)
    open_ = tasks.echo.enqueue()
    ends = yard.as_completed([open_, ended], timeout=0.1)

    assert next(ends) == ended
    with pytest.raises(WaitTimeout, match="1 job"):
        next(ends)


def test_as_completed_of_a_job_that_is_gone_is_unknown_job(yard, tasks, clock):
    gone, other = tasks.echo.using(queue="gone").enqueue(), tasks.echo.enqueue()
    yard.worker(queues="gone").run_until_idle()
    clock.advance(8 * 86_400)
    yard.prune()

    with pytest.raises(UnknownJob, match=str(gone.id)):
        list(yard.as_completed([other, gone], timeout=5))


def test_the_first_change_comes_at_once(yard, tasks):
    job = tasks.echo.enqueue()

    change = yard.wait_for_change(job.id, ["id", "status", "opstatus"])

    assert change.fields == [job.id, "queued", ["queued"]]
    assert change.log == []


def test_no_change_is_said_at_the_timeout(yard, tasks):
    job = tasks.echo.enqueue()
    before = yard.wait_for_change(job.id, ["status"]).fields

    answer = yard.wait_for_change(job.id, ["status"], before, timeout=0.1)

    assert answer is NO_CHANGE
    assert not answer
    assert repr(answer) == "NO_CHANGE"


def test_a_timeout_of_nothing_is_a_look(yard, tasks):
    job = tasks.echo.enqueue()

    assert yard.wait_for_change(job.id, ["status"], ["queued"], timeout=0) is NO_CHANGE
    assert yard.wait_for_change(job.id, ["status"], ["running"], timeout=0).fields == ["queued"]


def test_a_change_of_a_field_wakes(yard, tasks):
    job = tasks.echo.enqueue()
    later(job.change_priority, 7)

    change = yard.wait_for_change(job.id, ["status", "priority"], ["queued", 0], timeout=10)

    assert change.fields == ["queued", 7]


def test_a_field_that_nobody_asked_for_does_not_wake(yard, tasks):
    job = tasks.echo.enqueue()
    later(job.change_priority, 7, seconds=0.02)

    assert yard.wait_for_change(job.id, ["status"], ["queued"], timeout=0.3) is NO_CHANGE


def test_new_lines_wake_and_come_along(yard):
    go = threading.Event()

    @yard.task(name="talk")
    def talk():
        logging.getLogger("shop").warning("one")
        assert go.wait(10)
        logging.getLogger("shop").warning("two")

    job = talk.enqueue()
    with working(yard):
        first = yard.wait_for_change(job.id, ["id"], [job.id], 0, timeout=10)
        go.set()
        second = yard.wait_for_change(job.id, ["id"], [job.id], first.log[-1].serial, timeout=10)

    assert [[entry.message for entry in each.log] for each in (first, second)] == [["one"], ["two"]]


def test_a_final_job_answers_at_once(yard, tasks):
    job = tasks.echo.enqueue()
    run_now(yard)

    change = yard.wait_for_change(job.id, ["status"], ["succeeded"], timeout=10)

    assert change.fields == ["succeeded"]


def test_what_went_through_json_compares_equal(yard, tasks):
    job = tasks.echo.enqueue((1, 2))

    fields = ["ops", "opstatus"]
    sent = json.loads(json.dumps(yard.wait_for_change(job.id, fields).fields))

    assert yard.wait_for_change(job.id, fields, sent, timeout=0) is NO_CHANGE


def test_an_unknown_job_or_field_is_said(yard, tasks):
    job = tasks.echo.enqueue()

    with pytest.raises(UnknownJob):
        yard.wait_for_change(99, ["status"])
    with pytest.raises(UnknownField, match="colour"):
        yard.wait_for_change(job.id, ["status", "colour"])


def test_the_store_is_read_at_most_twenty_times_a_second(yard, tasks, monkeypatch):
    """However often something is committed: here a thousand times a second."""
    job = tasks.echo.enqueue()
    reads, row = [], yard.control.row
    monkeypatch.setattr(yard.control, "row", lambda id: reads.append(id) or row(id))
    stop = threading.Event()

    def disturb():
        while not stop.wait(0.001):
            yard.store.driver.notify(everywhere=False)

    thread = threading.Thread(target=disturb)
    thread.start()
    assert yard.wait_for_change(job.id, ["status"], ["queued"], timeout=0.5) is NO_CHANGE
    stop.set()
    thread.join()

    assert 5 < len(reads) <= 13
