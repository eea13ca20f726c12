"""What a worker makes of the ways in which a task ends."""

import itertools
import sys

import pytest
from tests.worker.serving import heard

from jobyard import Retry
from jobyard.errors import (
    BadResult,
    CancelJob,
    JobCanceled,
    JobFailed,
    RetryJob,
    SkipJob,
    SuspendJob,
)
from jobyard.model.events import JobFinished, JobRetried, JobStarted, JobSuspended
from jobyard.worker import Summary


def run(yard, **options):
    return yard.worker(**{"concurrency": 4, **options}).run_until_idle()


def test_a_returned_value_is_the_result(yard):
    @yard.task
    def add(a: int, b: int) -> int:
        return a + b

    job = add.enqueue(1, 2)
    summary = run(yard)

    assert summary == Summary(succeeded=1, failed=0, skipped=0, canceled=0, retried=0, left=0)
    assert (job.refresh().status, job.result, job.attempt) == ("succeeded", 3, 1)
    assert job.started_at is not None
    assert job.started_at <= job.ended_at
    assert [(a.number, a.outcome, a.error) for a in job.attempts] == [(1, "succeeded", None)]


def test_an_async_task_runs_on_the_loop(yard):
    @yard.task
    async def double(n: int) -> int:
        return 2 * n

    jobs = [double.enqueue(n) for n in range(20)]
    run(yard)

    assert [job.refresh().result for job in jobs] == [2 * n for n in range(20)]


def test_an_exception_is_a_failure_with_its_traceback(yard):
    @yard.task
    def divide(n: int) -> float:
        return n / 0

    job = divide.enqueue(7)
    summary = run(yard)

    assert summary.failed == 1
    with pytest.raises(JobFailed, match="ZeroDivisionError") as caught:
        job.refresh().result  # noqa: B018
    assert caught.value.error is not None
    assert caught.value.error.type == "ZeroDivisionError"
    assert "n = 7" in str(job.error)
    assert [(a.number, a.outcome) for a in job.attempts] == [(1, "failed")]


@pytest.mark.parametrize(
    "raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=lambda e: type(e).__name__
)
def test_what_ends_programs_ends_a_job_only(yard, raised):
    @yard.task
    def leave() -> None:
        raise raised

    @yard.task
    def fine() -> int:
        return 1

    left, other = leave.enqueue(), fine.enqueue()
    run(yard, concurrency=1)

    assert (left.refresh().status, other.refresh().status) == ("failed", "succeeded")
    assert left.error.type == type(raised).__name__


def test_a_result_that_cannot_be_stored_fails_the_attempt(yard):
    @yard.task
    def strange() -> object:
        return object()

    job = strange.enqueue()
    run(yard)

    assert job.refresh().status == "failed"
    assert job.error.type.endswith(BadResult.__name__)


def test_skipped_is_finished_without_a_result(yard):
    @yard.task
    def skip() -> int:
        raise SkipJob("nothing to do")

    job = skip.enqueue()
    after = skip.using(after=[job]).enqueue()

    assert run(yard).skipped == 2
    assert (job.refresh().status, job.result) == ("skipped", None)
    assert after.refresh().status == "skipped"


def test_cancel_job_ends_it_as_canceled(yard):
    @yard.task
    def give_up() -> None:
        raise CancelJob("no")

    job = give_up.enqueue()

    assert run(yard).canceled == 1
    with pytest.raises(JobCanceled):
        job.refresh().result  # noqa: B018


def test_suspend_job_puts_it_aside_without_an_attempt(yard):
    numbers = itertools.count()

    @yard.task
    def wait_for_somebody() -> int:
        if next(numbers) == 0:
            raise SuspendJob("ask Ann")
        return 5

    happened = heard(yard, JobSuspended)
    job = wait_for_somebody.enqueue()
    summary = run(yard)

    assert (summary.left, job.refresh().status, job.attempt) == (1, "suspended", 0)
    assert "suspended by its task" in job.why()[0].text
    assert [h.job for h in happened] == [job.id]
    job.resume()
    run(yard)
    assert (job.refresh().result, job.attempt) == (5, 1)


def test_a_failure_is_retried_after_the_back_off(yard, clock):
    numbers = itertools.count(1)

    @yard.task(retry=Retry(attempts=3, delay=10, factor=2, jitter=0))
    def flaky() -> int:
        number = next(numbers)
        if number < 3:
            raise ValueError(number)
        return number

    happened = heard(yard, JobRetried)
    job = flaky.enqueue()
    assert run(yard) == Summary(succeeded=0, failed=0, skipped=0, canceled=0, retried=1, left=1)
    assert job.refresh().status == "scheduled"
    assert job.why()[0].kind == "backoff"
    assert "ValueError: 1" in job.why()[0].text
    clock.advance(9.9)
    assert run(yard).retried == 0
    clock.advance(0.1)
    assert run(yard).retried == 1
    clock.advance(19.9)
    assert run(yard).succeeded == 0
    clock.advance(0.1)
    assert run(yard).succeeded == 1

    assert (job.refresh().result, job.attempt) == (3, 3)
    assert [(a.number, a.outcome, a.error and a.error.message) for a in job.attempts] == [
        (1, "failed", "1"),
        (2, "failed", "2"),
        (3, "succeeded", None),
    ]
    assert [(h.attempt, h.delay) for h in happened] == [(1, 10), (2, 20)]


def test_the_last_attempt_fails_the_job(yard):
    @yard.task(retry=Retry(attempts=2, delay=0))
    def bad() -> None:
        raise ValueError("always")

    job = bad.enqueue()
    summary = run(yard)

    assert (summary.retried, summary.failed) == (1, 1)
    assert (job.refresh().status, job.attempt, len(job.attempts)) == ("failed", 2, 2)


def test_an_explicit_retry_gives_a_full_set_of_attempts(yard):
    @yard.task(retry=Retry(attempts=2, delay=0))
    def bad() -> None:
        raise ValueError("always")

    job = bad.enqueue()
    run(yard)
    job.retry()
    run(yard)

    assert (job.refresh().status, job.attempt) == ("failed", 4)
    assert [a.number for a in job.attempts] == [1, 2, 3, 4]


def test_retry_job_says_when_and_spends_an_attempt(yard, clock):
    numbers = itertools.count(1)

    @yard.task(retry=3)
    def later() -> int:
        number = next(numbers)
        if number == 1:
            raise RetryJob("not yet", delay=60)
        return number

    job = later.enqueue()
    run(yard)
    clock.advance(59)
    assert run(yard).succeeded == 0
    clock.advance(1)
    assert run(yard).succeeded == 1
    assert (job.refresh().result, job.attempt) == (2, 2)


def test_retry_job_on_the_last_attempt_fails(yard):
    @yard.task
    def later() -> None:
        raise RetryJob("never")

    job = later.enqueue()

    assert run(yard).failed == 1
    assert "never" in str(job.refresh().error)


def test_user_errors_and_give_up_on_are_not_retried(yard):
    @yard.task(retry=5, user_errors=KeyError)
    def mistaken() -> None:
        raise KeyError("who")

    @yard.task(retry=Retry(5, delay=0, give_up_on=(LookupError,)))
    def hopeless() -> None:
        raise IndexError

    jobs = [mistaken.enqueue(), hopeless.enqueue()]

    assert run(yard).failed == 2
    assert [job.refresh().attempt for job in jobs] == [1, 1]


def test_the_queue_says_what_the_task_does_not(yard):
    yard.queue("stubborn", retry=Retry(3, delay=0))

    @yard.task(queue="stubborn")
    def bad() -> None:
        raise ValueError

    @yard.task(queue="stubborn", retry=1)
    def once() -> None:
        raise ValueError

    patient, own = bad.enqueue(), once.enqueue()
    run(yard)

    assert (patient.refresh().attempt, own.refresh().attempt) == (3, 1)


def test_results_stand_in_arguments_wherever_they_are(yard):
    @yard.task
    def make(n: int) -> list[int]:
        return [n, n + 1]

    @yard.task
    def merge(parts: dict[str, list[list[int]]], *, last: list[int]) -> list[int]:
        return [n for part in parts["all"] for n in part] + last

    a, b, c = make.enqueue(1), make.enqueue(10), make.enqueue(100)
    job = merge.enqueue({"all": [a, b]}, last=c)
    assert job.status == "waiting"
    run(yard)

    assert job.refresh().result == [1, 2, 10, 11, 100, 101]


def test_a_dependant_of_a_failure_fails_and_says_so(yard):
    @yard.task
    def bad() -> int:
        raise ValueError

    @yard.task
    def use(n: int) -> int:
        return n

    job = use.enqueue(bad.enqueue())
    summary = run(yard)

    assert (job.refresh().status, job.attempt, summary.failed) == ("failed", 0, 2)


def test_arguments_that_no_longer_fit_put_the_job_aside(make_yard):
    old, new = make_yard(), make_yard()

    @old.task(name="t")
    def before(size: str) -> None: ...

    @new.task(name="t")
    def after(size: int) -> int:
        return size

    job = before.enqueue("large")
    run(new)

    assert (job.refresh().status, job.attempt) == ("suspended", 0)
    [reason] = job.why()
    assert reason.kind == "suspended"
    assert "size" in reason.text


def test_what_happens_is_told_in_order(yard):
    @yard.task
    def noop() -> None: ...

    happened = heard(yard)
    job = noop.enqueue()
    run(yard)

    of_job = [h for h in happened if getattr(h, "job", None) == job.id]
    assert [type(h).__name__ for h in of_job] == ["JobEnqueued", "JobStarted", "JobFinished"]
    names = [type(h).__name__ for h in happened]
    assert names[1] == "WorkerStarted"
    assert names[-1] == "WorkerStopped"
    assert happened[-1].clean
    assert isinstance(of_job[1], JobStarted)
    assert isinstance(of_job[2], JobFinished)
    assert (of_job[2].status, of_job[2].attempt) == ("succeeded", 1)


def test_a_subscriber_that_raises_stops_nothing(yard):
    @yard.on(JobFinished)
    def broken(happening: JobFinished) -> None:
        raise RuntimeError

    @yard.task
    def noop() -> None: ...

    noop.enqueue()
    assert run(yard).succeeded == 1


def test_on_start_and_on_stop_run_in_the_process_of_the_worker(yard):
    calls = []

    @yard.on_start
    def started() -> None:
        calls.append("start")

    @yard.on_stop
    def stopped() -> None:
        calls.append("stop")

    @yard.on_start
    def broken() -> None:
        raise RuntimeError

    @yard.task
    def noop() -> None:
        calls.append("job")

    noop.enqueue()
    run(yard)

    assert calls == ["start", "job", "stop"]


def test_a_renamed_task_serves_its_old_name(make_yard):
    old, new = make_yard(), make_yard()

    @old.task(name="before")
    def before() -> int:
        return 1

    @new.task(name="now", aliases=("before",))
    def after() -> int:
        return 2

    job = before.enqueue()
    run(new)

    assert job.refresh().result == 2


def test_the_recursion_limit_and_exit_in_an_async_task_are_failures(yard):
    @yard.task
    def deep() -> None:
        deep()

    @yard.task
    async def leave() -> None:
        sys.exit(2)

    @yard.task
    async def interrupt() -> None:
        raise KeyboardInterrupt

    jobs = [deep.enqueue(), leave.enqueue(), interrupt.enqueue()]

    assert run(yard).failed == 3
    assert [job.refresh().error.type for job in jobs] == ["RecursionError", "SystemExit", "KeyboardInterrupt"]
