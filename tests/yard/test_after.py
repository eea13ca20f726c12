"""Dependencies: what a job waits for, and what becomes of it by how that ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobyard import BadArguments, UnknownJob, Yard, retval
from jobyard.testing import run_now

ENDS = {"succeeded": "echo", "failed": "fail", "skipped": "skip", "canceled": "give_up"}
SUCCESS = frozenset({"succeeded", "skipped"})


def ended(yard, tasks, status):
    job = getattr(tasks, ENDS[status]).enqueue()
    run_now(yard)
    assert job.refresh().status == status
    return job


def expected(end: str, accepted: frozenset[str]) -> str:
    """Ganeti's table, without the empty list."""
    if end in accepted:
        return "queued"
    return "canceled" if end == "canceled" else "failed"


ACCEPTED = [
    frozenset({"succeeded"}),
    frozenset({"failed"}),
    frozenset({"canceled"}),
    frozenset({"skipped"}),
    SUCCESS,
    frozenset({"succeeded", "failed"}),
    frozenset(ENDS),
]


@pytest.mark.parametrize("accepted", ACCEPTED, ids=lambda accepted: "+".join(sorted(accepted)))
@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_dependency_decides(yard, tasks, end, accepted):
    """Both ways: it ends while the job waits, and it had ended when the job came."""
    parent = getattr(tasks, ENDS[end]).enqueue()
    before = tasks.echo.using(after={parent: accepted}, queue="later").enqueue()
    assert before.status == "waiting"
    yard.worker(queues="default").run_until_idle()
    after = tasks.echo.using(after={parent.id: accepted}, queue="later").enqueue()

    assert [before.refresh().status, after.status] == [expected(end, accepted)] * 2


@pytest.mark.parametrize("end", ENDS)
def test_a_list_accepts_success_and_skipped(yard, tasks, end):
    parent = ended(yard, tasks, end)

    assert tasks.echo.using(after=[parent]).enqueue().status == expected(end, SUCCESS)


def test_jobs_ids_and_results_may_be_named(yard, tasks):
    parents = [tasks.add.enqueue(n) for n in range(3)]

    job = tasks.echo.using(after=[parents[0], parents[1].id, retval(parents[2])]).enqueue()

    assert [reason.data["job"] for reason in job.why()] == [parent.id for parent in parents]


def test_a_job_that_waits_for_several_goes_when_the_last_has_ended(yard, tasks):
    parents = [tasks.echo.using(queue=f"q{n}").enqueue() for n in range(3)]
    job = tasks.echo.using(after=parents).enqueue()

    seen = []
    for n in range(3):
        yard.worker(queues=f"q{n}").run_until_idle()
        seen.append(str(job.refresh().status))

    assert seen == ["waiting", "waiting", "queued"]


def test_an_open_dependency_goes_before_the_due_time(yard, tasks, clock):
    parent = tasks.echo.enqueue()
    job = tasks.echo.using(after=[parent], due=timedelta(hours=1)).enqueue()
    assert job.status == "waiting"

    run_now(yard)

    assert job.refresh().status == "scheduled"
    clock.advance(3600)
    assert job.refresh().status == "queued"


def test_ends_go_down_the_chain(yard, tasks):
    chain = yard.enqueue_many([tasks.fail.new(), *(tasks.echo.using(after=[-1]).new() for _ in range(3))])

    run_now(yard)

    assert [job.refresh().status for job in chain] == ["failed"] * 4
    assert f"job {chain[1].id}" in str(chain[2].error)
    assert chain[1].attempt == 0


def test_cancel_goes_down_the_chain(yard, tasks):
    chain = yard.enqueue_many([tasks.echo.new(), *(tasks.echo.using(after=[-1]).new() for _ in range(3))])

    chain[0].cancel()

    assert [job.refresh().status for job in chain] == ["canceled"] * 4
    first = f"job {chain[0].id} (echo)"
    assert chain[1].error.message == f"{first}, which this one waited for, was canceled"
    assert chain[3].error.message == (
        f"job {chain[2].id} (echo), which this one waited for, was canceled, because of {first}"
    )


def test_a_job_after_one_that_was_canceled_before_says_so(tasks):
    parent = tasks.echo.enqueue()
    parent.cancel()

    child = tasks.echo.using(after=[parent]).enqueue()

    assert child.error.message == f"job {parent.id} (echo), which this one waited for, was canceled"


def test_an_end_that_is_awaited_stops_the_chain(yard, tasks):
    chain = yard.enqueue_many([tasks.fail.new(), tasks.echo.using(after={-1: {"failed"}}).new("cleaned up")])

    run_now(yard)

    assert chain[1].wait(0).result == "cleaned up"


def test_a_result_needs_success(yard, tasks):
    skipped = tasks.skip.enqueue()
    takes = tasks.echo.enqueue(skipped)
    only_after = tasks.echo.using(after=[skipped]).enqueue()

    run_now(yard)

    assert (takes.refresh().status, only_after.refresh().status) == ("failed", "succeeded")


@pytest.mark.parametrize(
    "after",
    [
        {1: set()},
        {1: {"running"}},
        {1: {"done"}},
        {1: "succeeded"},
        "1",
        1,
        ["1"],
        [0],
        [True],
        [None],
        [retval(op=0)],
    ],
)
def test_what_cannot_be_waited_for_is_refused(tasks, after):
    tasks.echo.enqueue()

    with pytest.raises(BadArguments, match="after="):
        tasks.echo.using(after=after)


def test_a_result_that_must_succeed_and_fail_is_refused(yard, tasks):
    job = tasks.add.enqueue(1)

    with pytest.raises(BadArguments, match="cannot end as"):
        tasks.echo.using(after={job: {"failed"}}).enqueue(job)


def test_a_job_that_does_not_exist_is_unknown(yard, tasks):
    with pytest.raises(UnknownJob, match="77"):
        tasks.echo.using(after=[77]).enqueue()

    assert yard.count(by=()) == 0


def test_dependants_that_ended_are_left_alone_by_a_retry(yard, tasks):
    parent = tasks.fail.enqueue()
    child = tasks.echo.using(after=[parent]).enqueue()
    run_now(yard)

    parent.retry()

    assert (parent.status, child.refresh().status) == ("queued", "failed")


def test_a_retried_dependant_looks_at_its_dependencies_again(yard, tasks):
    parent = tasks.fail.enqueue()
    child = tasks.echo.using(after=[parent]).enqueue()
    run_now(yard)

    parent.retry()

    assert child.retry().status == "waiting"
    run_now(yard)
    assert child.refresh().status == "failed"


@pytest.mark.parametrize(
    "wait",
    [
        lambda tasks, job: tasks.echo.using(after=[job]),
        lambda tasks, job: tasks.echo.using(after={job: {"failed"}}),
        lambda tasks, job: tasks.echo.op(job),
        lambda tasks, job: tasks.echo.new(value=[{"a": retval(job)}]),
        lambda tasks, job: tasks.echo.yard.enqueue(tasks.echo.op(), after=[job]),
    ],
)
def test_a_job_of_another_store_cannot_be_waited_for(yard, tasks, tmp_path, wait):
    with Yard(f"sqlite:///{tmp_path}/other.db") as other:
        job = other.task(name="echo")(print).enqueue()

        with pytest.raises(BadArguments) as caught:
            wait(tasks, job)

        assert f"job {job.id} is in {other.store.location}" in str(caught.value)
        assert yard.store.location in str(caught.value)


def test_a_job_of_the_same_store_by_another_yard_can(make_yard, yard, tasks):
    job = make_yard().task(name="echo")(print).enqueue()

    assert tasks.echo.using(after=[job]).enqueue(job).status == "waiting"
