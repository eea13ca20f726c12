"""What people may do to a job, by its status: one table, and what is refused changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.store.acts import make
from tests.support import eventually

from jobyard import BadArguments, InvalidTransition, Job, Status, UnknownJob, Yard, ctx
from jobyard.model.states import FINAL, TRANSITIONS
from jobyard.testing import run_now

REFUSED = None
TABLE = {
    # status:   cancel      suspend      resume    retry     run_now
    "scheduled": ("canceled", "suspended", REFUSED, REFUSED, "queued"),
    "queued": ("canceled", "suspended", REFUSED, REFUSED, "queued"),
    "waiting": ("canceled", "suspended", REFUSED, REFUSED, REFUSED),
    "suspended": ("canceled", REFUSED, "queued", REFUSED, REFUSED),
    "running": ("canceling", REFUSED, REFUSED, REFUSED, REFUSED),
    "canceling": (REFUSED, REFUSED, REFUSED, REFUSED, REFUSED),
    "succeeded": (REFUSED, REFUSED, REFUSED, "queued", REFUSED),
    "failed": (REFUSED, REFUSED, REFUSED, "queued", REFUSED),
    "skipped": (REFUSED, REFUSED, REFUSED, "queued", REFUSED),
    "canceled": (REFUSED, REFUSED, REFUSED, "queued", REFUSED),
}
ACTIONS = ["cancel", "suspend", "resume", "retry", "run_now"]
CASES = [(before, action, TABLE[before][n]) for before in TABLE for n, action in enumerate(ACTIONS)]


@pytest.fixture
def job_in(yard):
    return lambda status, **options: yard.job(make(yard.store, status, **options))


@pytest.mark.parametrize(("before", "action", "after"), CASES)
def test_each_action_on_each_status(yard, job_in, before, action, after):
    job = job_in(before)
    state = yard.control.row(job.id)

    if action == "cancel":
        done, text = job.cancel()
        assert (done, bool(text)) == (after is not None, True)
    elif after is None:
        with pytest.raises(InvalidTransition, match=before):
            getattr(job, action)()
    else:
        assert getattr(job, action)() is job

    assert job.status == (after or before)
    if after is None:
        assert yard.control.row(job.id) == state
    assert job.status == yard.job(job.id).status == job.calc_status()


def test_a_second_cancel_says_so(job_in):
    job = job_in("running")
    assert job.cancel()[0]

    assert job.cancel() == (False, "already canceling")


def test_cancel_at_once_sets_the_end(job_in, clock):
    job = job_in("queued")

    job.cancel()

    assert (job.ended_at, job.started_at) == (clock.now(), None)


def test_canceling_several_ops_keeps_the_results_of_those_that_are_done(yard, tasks):
    @yard.task(name="cancel_me")
    def cancel_me():
        yard.job(ctx.job.id).cancel()
        eventually(lambda: ctx.canceling)
        return "returned"

    job = yard.enqueue(tasks.add.op(1), cancel_me.op(), tasks.add.op(2))

    assert run_now(yard).canceled == 1
    job.refresh()
    assert [op.status for op in job.ops] == ["succeeded", "succeeded", "canceled"]
    assert [op.result for op in job.ops] == [2, "returned", None]


def test_a_canceled_job_whose_last_op_returns_has_succeeded(yard):
    @yard.task(name="cancel_me")
    def cancel_me():
        yard.job(ctx.job.id).cancel()
        eventually(lambda: ctx.canceling)
        return "returned"

    job = cancel_me.enqueue()
    run_now(yard)

    assert job.wait(0).result == "returned"


def test_resume_asks_the_dependencies_and_the_clock_again(yard, tasks, clock):
    parent = tasks.echo.enqueue()
    waiting = tasks.echo.using(after=[parent]).enqueue().suspend()
    due = tasks.echo.using(due=timedelta(hours=1)).enqueue().suspend()

    assert (waiting.resume().status, due.resume().status) == ("waiting", "scheduled")

    waiting.suspend()
    due.suspend()
    run_now(yard)
    clock.advance(3600)

    assert (waiting.resume().status, due.resume().status) == ("queued", "queued")


def test_a_suspended_job_whose_dependency_failed_fails_when_it_is_resumed(yard, tasks):
    parent = tasks.fail.enqueue()
    job = tasks.echo.using(after=[parent]).enqueue().suspend()
    run_now(yard)
    assert job.refresh().status == "suspended"

    assert job.resume().status == "failed"


def test_retry_gives_a_full_set_of_attempts_and_keeps_counting(yard, tasks, clock):
    job = tasks.fail.using(retry=2).enqueue()
    for _ in range(2):
        run_now(yard)
        clock.advance(3600)
    assert (job.refresh().status, job.attempt) == ("failed", 2)

    job.retry()
    assert (job.error, job.ended_at) == (None, None)
    for _ in range(2):
        run_now(yard)
        clock.advance(3600)

    assert (job.refresh().status, job.attempt) == ("failed", 4)
    assert [each.number for each in job.attempts] == [1, 2, 3, 4]


def test_retry_of_a_job_that_succeeded_runs_all_of_its_ops_again(yard, tasks):
    job = yard.enqueue(tasks.add.op(1), tasks.add.op(2))
    run_now(yard)

    job.retry()

    assert [(op.status, op.result) for op in job.ops] == [("queued", None)] * 2
    run_now(yard)
    assert [op.result for op in job.refresh().ops] == [2, 3]


def test_a_job_run_now_goes_ahead_of_automatic_ones_of_its_priority(yard, tasks):
    order = []

    @yard.task(name="note")
    def note(name):
        order.append(name)

    note.enqueue("early")
    note.using(due=timedelta(hours=1)).enqueue("asked for").run_now()
    note.using(priority=-1).enqueue("urgent")

    run_now(yard)

    assert order == ["urgent", "asked for", "early"]


@pytest.mark.parametrize("before", list(Status))
def test_change_priority_never_raises_for_a_status(job_in, before):
    job = job_in(before)

    done, text = job.change_priority(-7)

    expected = before in ("scheduled", "queued", "waiting", "suspended")
    assert (done, bool(text)) == (expected, True)
    assert (job.priority == -7) is expected
    assert (job.ops[0].priority == -7) is expected


def test_change_priority_leaves_ops_that_run_or_have_ended_alone(yard, tasks):
    seen = []

    @yard.task(name="look")
    def look():
        job = yard.job(ctx.job.id)
        seen.append(job.change_priority(5))
        seen.append([op.priority for op in job.ops])
        seen.append(job.priority)

    yard.enqueue(tasks.add.op(1), look.op(), tasks.add.op(2))
    run_now(yard)

    assert seen[0][0] is True
    assert seen[1:] == [[0, 0, 5], 0]


def test_the_last_op_that_runs_has_no_priority_to_change(yard, job_in):
    assert job_in("running").change_priority(5)[0] is False


@pytest.mark.parametrize("priority", [-21, 20, "high", 1.5, True])
def test_a_priority_out_of_range_is_refused(job_in, priority):
    with pytest.raises(BadArguments, match="priority="):
        job_in("queued").change_priority(priority)


def test_a_changed_priority_changes_the_order(yard):
    order = []

    @yard.task(name="note")
    def note(name):
        order.append(name)

    note.enqueue("first")
    note.enqueue("second").change_priority(-1)

    run_now(yard)

    assert order == ["second", "first"]


def test_every_action_is_an_event_with_its_user(yard, tasks):
    job = tasks.echo.enqueue()
    job.suspend()
    job.resume()
    job.change_priority(3)
    job.run_now()
    job.cancel()
    job.retry()

    events = yard.events(job=job)

    assert [event.kind for event in reversed(events)] == ["suspend", "resume", "priority", "request", "cancel", "retry"]
    assert {event.user for event in events} == {"ann"}


def test_a_priority_that_is_so_already_is_no_event(yard, tasks):
    one = tasks.echo.enqueue()
    two = yard.enqueue(tasks.echo.op(1), tasks.echo.using(priority=3).op(2))
    for job in (one, one, two, two):
        assert job.change_priority(5)[0]
    two.change_priority(4)

    events = [(event.job, event.data["old"], event.data["new"]) for event in reversed(yard.events(kind="priority"))]
    assert events == [(one.id, 0, 5), (two.id, 0, 5), (two.id, 5, 4)]


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("status", ["succeeded", "failed", "skipped", "canceled"])
def test_mark_unfinished_ops_ends_a_stored_job_by_the_table(yard, job_in, before, status):
    job = job_in(before)
    if before in FINAL:
        job.mark_unfinished_ops(status)
        assert job.status == before
    elif Status(status) in TRANSITIONS[before]:
        job.mark_unfinished_ops(status, {"by": "hand"})
        assert (job.status, job.ended_at is not None) == (status, True)
        assert yard.job(job.id).ops[0].result == {"by": "hand"}
    else:
        with pytest.raises(InvalidTransition, match=before):
            job.mark_unfinished_ops(status)


@pytest.mark.parametrize("status", ["queued", "running", "canceling"])
def test_the_ops_of_a_stored_job_can_be_marked_with_an_end_only(job_in, status):
    with pytest.raises(InvalidTransition, match=status):
        job_in("queued").mark_unfinished_ops(status)


def test_marking_a_running_job_fences_its_worker(yard, tasks):
    @yard.task(name="marked")
    def marked():
        yard.job(ctx.job.id).mark_unfinished_ops("failed")
        return "too late"

    job = marked.enqueue()
    summary = run_now(yard)

    assert (summary.succeeded, job.refresh().status, job.ops[0].result) == (0, "failed", None)


def test_finalize_needs_every_op_to_have_ended(yard, job_in, tasks):
    with pytest.raises(InvalidTransition, match="queued"):
        job_in("queued").finalize()

    ended = job_in("failed")
    at = ended.ended_at
    ended.finalize()
    assert ended.ended_at == at


def test_a_job_of_another_process_is_seen_as_it_is(url, yard, tasks):
    job = tasks.echo.enqueue()
    with Yard(url) as other:
        other.job(job.id).cancel()

    assert job.status == "queued"
    assert job.refresh().status == "canceled"


def test_acting_on_a_job_that_is_gone_is_unknown_job(yard, tasks, clock):
    job = tasks.echo.enqueue()
    run_now(yard)
    clock.advance(timedelta(days=8))
    yard.prune()

    for act in (job.refresh, job.cancel, job.retry, job.why, job.wait, lambda: job.change_priority(1)):
        with pytest.raises(UnknownJob, match=str(job.id)):
            act()


def test_a_job_alone_has_no_store_to_ask(tasks):
    job = Job("default", 1, [tasks.echo.op()])

    for act in (job.refresh, job.wait, job.retry, job.suspend, job.resume, job.run_now, job.why, job.stack):
        with pytest.raises(BadArguments, match="stands alone"):
            act()
