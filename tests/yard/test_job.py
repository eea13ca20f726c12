"""A stored job as users hold it: a snapshot with attributes, and Ganeti's face on it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.acts import add_worker, claim, end, make

from jobyard import InvalidTransition, Job, Status, Yard, ctx, retval
from jobyard.model.fields import FIELDS
from jobyard.model.messages import Ended
from jobyard.testing import Clock, run_now


def test_two_objects_of_one_store_with_one_id_are_equal_and_hash_alike(url, yard, tasks):
    job, other = tasks.echo.enqueue(), tasks.echo.enqueue()
    with Yard(url) as twin:
        same = twin.job(job.id)

        assert same == job
        assert len({job, same, yard.job(job.id)}) == 1
        assert job != other
        assert job != job.id


def test_equal_ids_of_two_stores_are_two_jobs(yard, tasks, tmp_path):
    with Yard(f"sqlite:///{tmp_path}/other.db") as other:
        theirs = other.task(name="echo")(lambda: None).enqueue()
        ours = tasks.echo.enqueue()

        assert theirs.id == ours.id
        assert theirs != ours


def test_its_repr_shows_id_status_and_tasks(yard, tasks):
    assert repr(tasks.echo.enqueue("x" * 1000)) == "<Job 1 queued echo>"
    assert repr(yard.enqueue(tasks.add.op(1), tasks.echo.op())) == "<Job 2 queued add, echo>"
    assert repr(yard.job(2)) == "<Job 2 queued add, echo>"


def test_a_job_is_a_snapshot(tasks):
    job = tasks.echo.enqueue()
    same = job.yard.job(job.id)

    same.cancel()

    assert (job.status, job.refresh().status) == ("queued", "canceled")


def test_times_and_worker_of_a_job_that_ran(yard, clock):
    began = clock.now()

    @yard.task(name="slow")
    def slow():
        clock.advance(60)

    job = slow.enqueue()
    clock.advance(1)
    worker = yard.worker(name="w")
    worker.run_until_idle()

    job.refresh()
    assert job.received_at == began
    assert (job.started_at - began, job.ended_at - began) == (timedelta(seconds=1), timedelta(seconds=61))
    assert (job.worker, job.machine, job.heartbeat) == ("w", worker.machine, None)
    [attempt] = job.attempts
    assert (attempt.number, attempt.worker, attempt.outcome) == (1, "w", "succeeded")
    assert (attempt.started_at, attempt.ended_at) == (job.started_at, job.ended_at)


def test_the_heartbeat_of_a_running_job_is_its_own_or_the_workers(yard, clock):
    id = add_worker(yard.store, "w")
    job = yard.job(make(yard.store, "running", task="t"))
    beat = clock.now()
    assert (job.worker, job.heartbeat) == ("w", beat)

    clock.advance(10)
    with yard.store.transaction() as tx:
        yard.store.jobs.beat(tx, job.id, yard.control.row(job.id).epoch, "half done", yard.store.now())
    assert (job.refresh().heartbeat, job.logtail) == (beat + timedelta(seconds=10), "half done")

    clock.advance(10)
    with yard.store.transaction() as tx:
        yard.store.workers.beat(tx, id, "running", yard.store.now())
    assert job.refresh().heartbeat == beat + timedelta(seconds=20)


def test_progress_and_log_of_a_job_that_ran(yard):
    @yard.task(name="talk")
    def talk():
        logging.getLogger("shop").warning("hello %s", "world")
        ctx.progress(1, 4, group=("reading", "a"), status="first")
        ctx.progress(3, 4, group="reading::b")
        for _ in ctx.track(range(2), group="writing"):
            pass

    job = talk.enqueue()
    run_now(yard)

    assert [(p.group, p.current, p.total, p.status) for p in job.progress] == [
        (("reading", "a"), 1, 4, "first"),
        (("reading", "b"), 3, 4, ""),
        (("writing",), 2, 2, ""),
    ]
    [entry] = job.get_log_entries()
    assert (entry.serial, entry.op, entry.level, entry.logger, entry.message) == (1, 0, 30, "shop", "hello world")
    assert job.refresh().log_serial == 1
    assert job.ops[0].log == [entry]
    assert job.get_log_entries(newer_than=1) == []
    assert job.get_log_entries(2**70) == []
    assert job.get_log_entries(-(2**70)) == [entry]


def test_log_serials_go_on_over_ops_and_attempts(yard, clock):
    @yard.task(name="talk")
    def talk(text):
        logging.getLogger("shop").warning(text)
        if text == "fails" and ctx.attempt == 1:
            raise ValueError

    job = yard.enqueue(talk.op("works"), talk.op("fails"), retry=2)
    run_now(yard)
    clock.advance(3600)
    run_now(yard)

    assert [(e.serial, e.op, e.message) for e in job.get_log_entries()] == [
        (1, 0, "works"),
        (2, 1, "fails"),
        (3, 1, "fails"),
    ]
    assert [[e.serial for e in op.log] for op in job.refresh().ops] == [[1], [2, 3]]


def test_every_field_can_be_read_of_a_stored_job_in_any_status(yard):
    for status in Status:
        job = yard.job(make(yard.store, status))

        values = dict(zip(FIELDS, job.get_info(list(FIELDS)), strict=True))

        assert (values["id"], values["status"], values["opstatus"]) == (job.id, status, [status])
        assert values["start_ts"] == job.started_at


def test_a_stored_job_comes_through_its_state(yard, tasks):
    first = tasks.add.enqueue(1)
    job = yard.enqueue(tasks.echo.op({"deep": [first]}), tasks.fail.op(), title="A title", requester="bob")
    run_now(yard)
    job.refresh()

    again = Job.restore(json.loads(json.dumps(job.serialize())))

    fields = ["id", "status", "priority", "title", "requester", "attempt", "received_at", "ended_at", "opresult"]
    assert again.get_info(fields) == job.get_info(fields)
    assert str(again.error) == str(job.error)
    assert again.serialize() == job.serialize()


def test_values_that_only_the_task_can_read_are_serialized_by_their_fields(yard):
    @dataclass
    class Point:
        x: int

    @yard.task(name="move")
    def move(point: Point, other: Point) -> Point:
        return point

    first = move.enqueue(Point(1), Point(2))
    second = move.enqueue(Point(3), retval(first))
    run_now(yard)

    [op] = second.refresh().serialize()["ops"]

    assert second.ops[0].args[0] == second.result == Point(3)
    assert (op["args"], op["result"]) == ([{"x": 3}, f"retval(job={first.id})"], {"x": 3})


def test_a_job_restored_with_a_yard_acts_on_the_store(yard, tasks):
    job = tasks.echo.enqueue()
    restored = Job.restore(job.serialize(), yard)
    assert (restored.yard, restored, restored.status) == (yard, job, "queued")

    assert restored.cancel()[0] is True

    assert (restored.status, job.refresh().status) == ("canceled", "canceled")


def test_a_restored_job_keeps_what_it_was_until_it_is_refreshed(yard, tasks):
    state = tasks.echo.enqueue("x").serialize()
    run_now(yard)

    restored = Job.restore(state, yard)

    assert (restored.status, restored.refresh().status, restored.result) == ("queued", "succeeded", "x")


ACTIONS = ["cancel", "suspend", "resume", "retry", "run_now", "change_priority", "mark", "advance", "claim"]
ENDINGS = {
    "returned": Ended.RETURNED,
    "raised": Ended.RAISED,
    "skipped": Ended.SKIPPED,
    "retry_later": Ended.RETRY,
    "crashed": Ended.CRASHED,
}
STEPS = st.lists(st.sampled_from([*ACTIONS, "claim", "claim", "returned", *ENDINGS]), max_size=14)


def step(yard, clock, job, action, claimed):
    """Do something to the job that its status may or may not allow."""
    if action == "claim":
        claimed[:] = claim(yard.store, tasks=["t"]) or claimed
    elif action == "advance":
        clock.advance(120)
    elif action in ENDINGS:
        if claimed:
            end(yard.store, claimed[0], ENDINGS[action])
            claimed[:] = [yard.control.row(job.id)] if job.refresh().status == "running" else []
    elif action == "change_priority":
        job.change_priority(len(job.attempts) - 5)
    elif action == "mark":
        job.mark_unfinished_ops("failed")
    else:
        getattr(job, action)()


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    clock = Clock()
    with Yard(f"sqlite:///{tmp_path_factory.mktemp('walk')}/w.db?synchronous=normal", clock=clock) as yard:
        task = yard.task(name="t")(lambda: None)
        yield yard, clock, task


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.integers(1, 3), st.sampled_from([0, 60]), st.lists(st.integers(-20, 19), min_size=3, max_size=3))
def test_the_ops_tell_the_status_of_their_job_wherever_it_goes(walked, steps, count, wait, priorities):
    yard, clock, task = walked
    ops = [task.using(priority=priorities[n]).op() for n in range(count)]
    job = yard.enqueue(*ops, due=timedelta(seconds=wait))
    claimed = []
    for action in steps:
        try:
            step(yard, clock, job, action, claimed)
        except InvalidTransition:
            pass
        job = yard.job(job.id)

        assert job.calc_status() == job.status
        assert job.calc_priority() == job.priority
    job.cancel()
    job.mark_unfinished_ops("canceled")  # so that the next walk claims its own
