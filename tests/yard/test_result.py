"""What came of a job: its value, or the error that says why there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from tests.support import eventually

from jobyard import CancelJob, JobCanceled, JobFailed, JobTimeout, NotFinished, RemoteError, SkipJob, ctx
from jobyard.testing import run_now


@pytest.mark.parametrize(
    "value",
    [
        *(None, 0, "", [], {}, (1, (2,)), {3, 4}, b"\0bytes", 2**70, 1.5, Decimal("1.10"), UUID(int=7), [[[]]]),
        *(datetime(2026, 1, 1, tzinfo=UTC), "nul \0 and \u2603", {1: "int key"}, {"a": (1, None)}),
    ],
    ids=repr,
)
def test_a_result_comes_back_as_it_was(yard, tasks, value):
    job = tasks.echo.enqueue(value)

    run_now(yard)

    assert job.wait(0).result == value
    assert type(job.result) is type(value)


def test_of_several_ops_it_is_that_of_the_last(yard, tasks):
    job = yard.enqueue(tasks.add.op(1), tasks.add.op(2))

    run_now(yard)

    assert (job.wait(0).result, [op.result for op in job.ops]) == (3, [2, 3])


def test_a_failed_job_raises_with_the_remote_traceback(yard):
    @yard.task(name="divide")
    def divide(a: int, b: int) -> float:
        numerator = a
        try:
            return numerator / b
        except ZeroDivisionError as error:
            raise ValueError("cannot divide") from error

    job = divide.enqueue(7, 0)
    run_now(yard)

    with pytest.raises(JobFailed, match="divide") as caught:
        _ = job.wait(0).result

    text = str(caught.value)
    for part in ("ValueError: cannot divide", "ZeroDivisionError", __file__, "numerator = 7", f"job {job.id}"):
        assert part in text
    assert isinstance(caught.value.error, RemoteError)
    assert str(caught.value.error) == str(job.error)
    assert caught.value.__cause__ is caught.value.error


def test_the_traceback_hides_what_looks_secret(yard):
    @yard.task(name="login")
    def login(password):
        raise ValueError("no")

    job = login.enqueue("hunter2")
    run_now(yard)

    assert "hunter2" not in str(job.refresh().error)


def test_the_ops_behind_a_failed_one_failed_and_have_no_times(yard, tasks):
    job = yard.enqueue(tasks.add.op(1), tasks.fail.op(), tasks.add.op(2))

    run_now(yard)

    job.refresh()
    assert [op.status for op in job.ops] == ["succeeded", "failed", "failed"]
    assert (job.ops[2].started_at, job.ops[2].exec_at, job.ops[2].ended_at) == (None, None, None)
    assert "broken" in str(job.ops[1].error)
    assert "an earlier op failed: op 1 (fail)" in str(job.ops[2].error)
    assert job.retry().ops[2].error is None
    run_now(yard)
    with pytest.raises(JobFailed, match="broken"):
        _ = job.refresh().result


def test_a_canceled_job_raises(tasks):
    job = tasks.echo.enqueue()
    job.cancel()

    with pytest.raises(JobCanceled, match=rf"job {job.id} .*: canceled by request"):
        _ = job.result
    assert job.error.message == "canceled by request"


def test_the_ops_that_a_canceled_job_had_left_say_why(yard, tasks):
    @yard.task(name="stop")
    def stop():
        ctx.job.cancel()
        eventually(lambda: ctx.canceling)
        raise CancelJob

    job = yard.enqueue(tasks.add.op(1), stop.op(), tasks.add.op(2))

    run_now(yard)

    job.refresh()
    assert [op.status for op in job.ops] == ["succeeded", "canceled", "canceled"]
    assert [op.error and op.error.message for op in job.ops] == [None, *["canceled by request"] * 2]
    assert [op.result for op in job.ops] == [2, None, None]
    assert job.retry().error is None


def test_a_job_that_ends_itself_says_so(yard, tasks):
    job = tasks.give_up.enqueue()

    run_now(yard)

    assert (job.refresh().status, job.error.message) == ("canceled", "canceled by its own run")


def test_a_skipped_job_has_none(yard, tasks):
    job = tasks.skip.enqueue()
    run_now(yard)

    assert (job.wait(0).status, job.result, job.error) == ("skipped", None, None)


def test_the_ops_behind_a_skipped_one_are_skipped(yard, tasks):
    job = yard.enqueue(tasks.add.op(1), tasks.skip.op(), tasks.add.op(1))
    run_now(yard)

    assert [op.status for op in job.refresh().ops] == ["succeeded", "skipped", "skipped"]
    assert job.calc_status() == job.status == "skipped"


@pytest.mark.parametrize("state", ["queued", "scheduled", "suspended"])
def test_an_unfinished_job_has_no_result_yet(tasks, state):
    job = tasks.echo.using(due=timedelta(hours=state == "scheduled")).enqueue()
    if state == "suspended":
        job.suspend()

    with pytest.raises(NotFinished, match=state):
        _ = job.result


def test_a_result_that_cannot_be_stored_fails_the_attempt(yard, tasks):
    @yard.task(name="odd")
    def odd():
        return object()

    job = odd.enqueue()
    run_now(yard)

    assert job.refresh().status == "failed"
    assert "BadResult" in str(job.error)


def test_a_result_that_is_too_large_fails_the_attempt(yard):
    @yard.task(name="large")
    def large():
        return "x" * 2**20

    job = large.enqueue()
    run_now(yard)

    assert job.refresh().status == "failed"
    assert "max_payload" in str(job.error)


def test_a_timeout_is_an_error_of_its_own(yard):
    @yard.task(name="slow", timeout=0.05)
    def slow():
        while True:
            pass

    job = slow.enqueue()
    run_now(yard)

    assert job.refresh().status == "failed"
    assert JobTimeout.__name__ in str(job.error)


def test_an_error_remains_until_the_next_attempt_has_ended(yard, clock):
    outcomes = [ValueError("first"), SkipJob()]

    @yard.task(name="flaky", retry=2)
    def flaky():
        raise outcomes.pop(0)

    job = flaky.enqueue()
    run_now(yard)
    assert (job.refresh().status, "first" in str(job.error)) == ("scheduled", True)

    clock.advance(3600)
    run_now(yard)
    assert (job.refresh().status, job.error) == ("skipped", None)


def test_what_a_task_enqueues_is_stored_at_once(yard, tasks):
    job = tasks.spawn.enqueue("child")

    assert run_now(yard).succeeded == 2
    assert yard.job(job.wait(0).result).result == "child"
