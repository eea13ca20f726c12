"""Why a job does not run: everything that it can wait for, in words and as data."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from tests.store.acts import add_worker, make
from tests.support import eventually

from jobyard import Yard
from jobyard.testing import run_now


def kinds(job):
    return [reason.kind for reason in job.why()]


@pytest.mark.parametrize("status", ["running", "canceling", "succeeded", "failed", "skipped", "canceled"])
def test_a_job_that_runs_or_has_ended_waits_for_nothing(yard, status):
    assert yard.job(make(yard.store, status)).why() == []


def test_a_due_time(tasks, clock):
    [reason] = tasks.echo.using(due=timedelta(hours=1)).enqueue().why()

    assert reason.kind == "due"
    assert reason.data["seconds"] == 3600
    assert reason.data["due"] == (clock.now() + timedelta(hours=1)).isoformat()


def test_a_back_off_names_the_failure(yard, tasks):
    job = tasks.fail.using(retry=2).enqueue()
    run_now(yard)

    [reason] = job.why()

    assert reason.kind == "backoff"
    assert "ValueError: broken" in reason.text
    assert reason.data["failures"] == 1


def test_a_paused_queue(yard, tasks):
    add_worker(yard.store, tasks=["echo"])
    yard.queues.pause("default")

    [reason] = tasks.echo.enqueue().why()

    assert (reason.kind, reason.data["queue"]) == ("paused", "default")


def test_no_worker_for_the_queue(yard, tasks):
    """The text says where the jobs lie: often a worker of another file is waited for."""
    add_worker(yard.store, "elsewhere", queues=["images"])

    [reason] = tasks.echo.enqueue().why()

    assert reason.kind == "no_worker"
    assert "elsewhere" in reason.text
    assert yard.store.location in reason.text


def test_a_task_that_no_worker_knows(yard, tasks):
    add_worker(yard.store, "old", tasks=["add"])

    [reason] = tasks.echo.enqueue().why()

    assert (reason.kind, reason.data["workers"]) == ("unknown_task", ["old"])


def test_all_slots_taken(yard):
    """By one that runs, in a worker of one slot."""
    opened = threading.Event()

    @yard.task(name="gate")
    def gate():
        assert opened.wait(10)

    running, waiting = gate.enqueue(), gate.enqueue()
    worker = yard.worker(concurrency=1)
    thread = threading.Thread(target=worker.run_until_idle)
    thread.start()
    try:
        eventually(lambda: running.refresh().status == "running")
        [reason] = waiting.why()
    finally:
        opened.set()
        thread.join()

    assert (reason.kind, reason.data) == ("limit", {"workers": [worker.name], "slots": 1})


def test_dependencies_each_with_the_ends_that_are_accepted(yard, tasks):
    first, second = tasks.echo.enqueue(), tasks.fail.enqueue()

    reasons = tasks.echo.using(after={first: {"succeeded"}, second: {"failed", "canceled"}}).enqueue().why()

    assert [reason.kind for reason in reasons] == ["dependency"] * 2
    assert [reason.data for reason in reasons] == [
        {"job": first.id, "task": "echo", "status": "queued", "accepted": ["succeeded"]},
        {"job": second.id, "task": "fail", "status": "queued", "accepted": ["canceled", "failed"]},
    ]


def test_a_hundred_dependencies_are_summed_up(yard, tasks):
    parents = yard.enqueue_many([tasks.echo.new() for _ in range(100)])

    reasons = tasks.echo.using(after=parents).enqueue().why()

    assert len(reasons) == 21
    assert reasons[-1].data == {"more": 80}


def test_a_dependency_and_a_due_time(tasks):
    job = tasks.echo.using(after=[tasks.echo.enqueue()], due=timedelta(hours=1)).enqueue()

    assert kinds(job) == ["dependency", "due"]


def test_suspended_by_somebody(tasks):
    [reason] = tasks.echo.enqueue().suspend().why()

    assert reason.kind == "suspended"
    assert "ann" in reason.text


def test_suspended_by_its_task(yard, tasks):
    job = tasks.put_aside.enqueue()
    run_now(yard)

    [reason] = job.why()

    assert (reason.kind, "its task" in reason.text) == ("suspended", True)


def test_arguments_that_no_longer_fit_name_the_parameter(url, clock, yard, tasks):
    job = tasks.add.enqueue(1, b=2)
    with Yard(url, clock=clock) as other:

        @other.task(name="add")
        def add(a: int, c: int = 3) -> int:
            return a + c

        run_now(other)

    [reason] = job.why()

    assert (job.refresh().status, job.attempt, reason.kind) == ("suspended", 0, "suspended")
    assert "'b'" in reason.text


def test_every_text_names_task_and_queue_and_every_datum_is_json(yard, tasks, clock):
    parent = tasks.echo.using(queue="parents").enqueue()
    jobs = [
        parent,
        tasks.echo.using(queue="q", due=timedelta(hours=1)).enqueue(),
        tasks.echo.using(queue="q", after=[parent]).enqueue(),
        tasks.echo.using(queue="q").enqueue().suspend(),
    ]

    for job in jobs:
        for reason in job.why():
            assert f"echo on queue {job.queue}" in reason.text
            json.dumps(dict(reason.data))
