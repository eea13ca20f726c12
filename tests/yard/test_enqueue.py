"""One job at a time: what it is when it was stored, and what is refused before anything is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from jobyard import BadArguments, NewJob, PayloadTooLarge, QueueClosed, Retry, UnknownTask, UsageError, Yard
from jobyard.testing import run_now


def test_a_new_job_is_queued_and_has_what_was_said(yard, tasks, clock):
    job = tasks.add.using(queue="sums", priority=-3, requester="bob", title="A sum", tags=["x", "y"]).enqueue(2, b=3)

    assert (job.id, job.status, job.queue, job.priority) == (1, "queued", "sums", -3)
    assert (job.requester, job.title, job.tags, job.definition) == ("bob", "A sum", ("x", "y"), None)
    assert (job.attempt, job.attempts, job.existing) == (0, [], False)
    assert job.received_at == job.due == clock.now()
    assert (job.started_at, job.ended_at, job.worker, job.machine, job.heartbeat) == (None,) * 5
    assert (job.logtail, job.log_serial, job.progress, job.error) == (None, 0, [], None)
    [op] = job.ops
    assert (op.index, op.task, op.args, op.kwargs, op.status, op.priority) == (0, "add", (2,), {"b": 3}, "queued", -3)
    assert (op.result, op.error, op.log, op.started_at, op.exec_at, op.ended_at) == (None, None, [], None, None, None)


def test_what_was_returned_is_what_is_found(yard, tasks):
    job = tasks.add.using(title="A sum", tags=["x"]).enqueue(2)

    found = yard.job(job.id)

    fields = ["id", "status", "priority", "queue", "title", "tags", "due", "requester", "received_at", "ops"]
    assert found.get_info(fields) == job.get_info(fields)


def test_a_task_is_still_called(tasks):
    assert tasks.add(2, 3) == 5


def test_without_a_title_a_job_has_that_of_its_task(yard):
    @yard.task(name="plain")
    def plain(): ...

    @yard.task(name="titled", title="Of the task")
    def titled(): ...

    assert plain.enqueue().title == "plain"
    assert titled.enqueue().title == "Of the task"
    assert titled.using(title="Of the call").enqueue().title == "Of the call"


def test_using_leaves_the_task_as_it_was(tasks):
    tasks.echo.using(queue="other", priority=5).enqueue()

    job = tasks.echo.enqueue()

    assert (job.queue, job.priority) == ("default", 0)


@pytest.mark.parametrize(
    ("call", "task", "queue", "expected"),
    [(1, 2, 3, 1), (None, 2, 3, 2), (None, None, 3, 3), (None, None, None, 0), (0, 2, 3, 0)],
)
def test_the_call_says_it_before_the_task_and_the_task_before_the_queue(yard, call, task, queue, expected):
    @yard.task(name="t", priority=task)
    def t(): ...

    yard.queue("default", priority=queue)

    assert t.using(priority=call).enqueue().priority == expected


def test_due_is_an_instant_or_a_wait(yard, tasks, clock):
    at = tasks.echo.using(due=clock.now() + timedelta(hours=2)).enqueue()
    after = tasks.echo.using(due=timedelta(hours=1)).enqueue()
    past = tasks.echo.using(due=clock.now() - timedelta(hours=1)).enqueue()

    assert [job.status for job in (at, after, past)] == ["scheduled", "scheduled", "queued"]
    assert [job.due - clock.now() for job in (at, after)] == [timedelta(hours=2), timedelta(hours=1)]


def test_a_scheduled_job_reads_queued_once_its_due_has_come_whether_or_not_a_worker_noticed(yard, tasks, clock):
    job = tasks.echo.using(due=timedelta(seconds=60)).enqueue()
    clock.advance(59.9)
    assert job.refresh().status == "scheduled"

    clock.advance(0.1)

    assert job.refresh().status == "queued"
    assert yard.jobs(status="queued") == [job]
    assert yard.jobs(status="scheduled") == []
    assert yard.count() == {("default", "queued"): 1}


def test_a_job_of_several_ops_runs_them_in_order_and_each_has_its_result(yard, tasks):
    job = yard.enqueue(tasks.add.op(1), tasks.add.op(2), tasks.echo.op("last"), queue="sums")
    assert [(op.index, op.task, op.status) for op in job.ops] == [
        (0, "add", "queued"),
        (1, "add", "queued"),
        (2, "echo", "queued"),
    ]
    assert job.queue == "sums"

    run_now(yard)

    assert job.wait(0).result == "last"
    assert [op.result for op in job.ops] == [2, 3, "last"]
    assert [op.status for op in job.ops] == ["succeeded"] * 3


def test_a_job_of_several_ops_has_the_most_urgent_priority_of_those_that_are_left(yard, tasks):
    job = yard.enqueue(tasks.add.using(priority=-5).op(1), tasks.fail.op(), tasks.add.using(priority=2).op(1))
    assert (job.priority, [op.priority for op in job.ops]) == (-5, [-5, 0, 2])

    run_now(yard)

    assert job.refresh().priority == 0
    assert job.calc_priority() == 0


def test_new_stores_nothing(yard, tasks):
    new = [tasks.add.new(1), yard.new(tasks.add.op(1), tasks.add.op(2))]

    assert all(isinstance(each, NewJob) for each in new)
    assert yard.count(by=()) == 0


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda t, y: t.add.enqueue("x"), BadArguments, "'a'"),
        (lambda t, y: t.add.enqueue(1, b=1.5), BadArguments, "'b'"),
        (lambda t, y: t.add.enqueue(), BadArguments, "'a'"),
        (lambda t, y: t.add.enqueue(1, c=2), BadArguments, "'c'"),
        (lambda t, y: t.echo.enqueue(float("nan")), BadArguments, "'value'"),
        (lambda t, y: t.echo.enqueue(object()), BadArguments, "'value'"),
        (lambda t, y: t.echo.enqueue("x" * 2**20), PayloadTooLarge, "'value'"),
        (lambda t, y: t.echo.using(priority=20), BadArguments, "priority=20"),
        (lambda t, y: t.echo.using(due=60), BadArguments, "due=60"),
        (lambda t, y: t.echo.using(expires="soon"), BadArguments, "expires='soon'"),
        (lambda t, y: t.echo.using(color="red"), TypeError, "color"),
        (lambda t, y: y.enqueue(), BadArguments, "at least one op"),
        (lambda t, y: y.enqueue(t.echo), BadArguments, "no op"),
        (lambda t, y: y.enqueue(t.echo.using(due=timedelta(1)).op()), UsageError, "due="),
    ],
)
def test_what_does_not_fit_is_refused_by_name_before_anything_is_stored(yard, tasks, call, error, named):
    with pytest.raises(error) as caught:
        call(tasks, yard)

    assert named in str(caught.value)
    assert yard.count(by=()) == 0


def test_an_op_of_another_yard_is_refused(yard, tasks, tmp_path):
    @Yard(f"sqlite:///{tmp_path}/other.db").task(name="foreign")
    def foreign(): ...

    with pytest.raises(UnknownTask, match="foreign"):
        yard.enqueue(foreign.op())


def test_a_drained_queue_refuses_new_jobs_until_it_is_resumed(yard, tasks):
    yard.queues.drain("default")

    with pytest.raises(QueueClosed, match="default"):
        tasks.echo.enqueue()
    with pytest.raises(QueueClosed):
        yard.enqueue_many([tasks.echo.using(queue="open").new(), tasks.echo.new()])
    assert yard.count(by=()) == 0

    yard.queues.resume("default")
    assert tasks.echo.enqueue().status == "queued"


def test_an_expired_job_that_has_not_begun_is_canceled(yard, tasks, clock):
    late = tasks.echo.using(expires="60s").enqueue()
    early = tasks.echo.using(expires=60, queue="early").enqueue()
    yard.worker(queues="early").run_until_idle()
    clock.advance(61)

    summary = run_now(yard)

    assert (summary.succeeded, late.refresh().status, early.refresh().status) == (0, "canceled", "succeeded")
    assert late.error.message == "not begun by its expires"
    assert [event.job for event in yard.events(kind="cancel")] == [late.id]


@pytest.mark.parametrize("retry", [3, Retry(3, delay=0)])
def test_retry_is_a_number_of_attempts_or_a_policy(yard, tasks, clock, retry):
    job = tasks.fail.using(retry=retry).enqueue()
    for _ in range(3):
        run_now(yard)
        clock.advance(3600)

    assert (job.refresh().status, job.attempt) == ("failed", 3)
    assert [(each.number, each.outcome) for each in job.attempts] == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert all("broken" in str(each.error) for each in job.attempts)


async def enqueue_in_a_loop(tasks, yard):
    one = await tasks.add.aenqueue(1)
    several = await yard.aenqueue(tasks.add.op(1), tasks.add.op(2))
    many = await yard.aenqueue_many([tasks.add.new(1), tasks.add.new(2)])
    return [one, several, *many]


def test_coroutines_enqueue_too(yard, tasks):
    jobs = asyncio.run(enqueue_in_a_loop(tasks, yard))

    assert [job.id for job in jobs] == [1, 2, 3, 4]
    assert yard.jobs(order="id") == jobs
