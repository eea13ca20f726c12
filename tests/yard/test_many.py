"""Several jobs at once: all or none, and what they say about each other."""

from __future__ import annotations

import pytest

from jobyard import BadArguments, DependencyCycle, UnknownJob, UsageError, retval
from jobyard.testing import run_now


def test_many_jobs_are_stored_in_their_order(yard, tasks):
    jobs = yard.enqueue_many([tasks.add.new(n) for n in range(5)])

    assert [job.id for job in jobs] == [1, 2, 3, 4, 5]
    assert [job.ops[0].args for job in jobs] == [(0,), (1,), (2,), (3,), (4,)]


def test_none_are_none(yard):
    assert yard.enqueue_many([]) == []


def test_they_may_come_from_a_generator(yard, tasks):
    assert len(yard.enqueue_many(tasks.add.new(n) for n in range(3))) == 3


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (lambda t: t.echo.using(after=[999]).new(), UnknownJob),
        (lambda t: t.echo.new(retval(999)), UnknownJob),
        (lambda t: t.echo.using(after=[-2]).new(), BadArguments),
        (lambda t: t.echo.using(after=[2]).new(), DependencyCycle),
        (lambda t: t.echo.using(after=[3]).new(), DependencyCycle),
        (lambda t: t.echo.new(retval(2)), DependencyCycle),
        (lambda t: t.echo, BadArguments),
    ],
)
def test_all_or_none(yard, tasks, bad, error):
    with pytest.raises(error):
        yard.enqueue_many([tasks.add.new(1), bad(tasks), tasks.add.new(2)])

    assert yard.count(by=()) == 0


def test_the_one_before_is_minus_one(yard, tasks):
    first, second, third = yard.enqueue_many(
        [tasks.add.new(1), tasks.echo.using(after=[-1]).new(), tasks.echo.using(after=[-2, -1]).new()]
    )
    assert [job.status for job in (first, second, third)] == ["queued", "waiting", "waiting"]
    assert [r.data["job"] for r in third.why()] == [first.id, second.id]

    assert run_now(yard).succeeded == 3


def test_the_result_of_the_one_before_is_retval_minus_one(yard, tasks):
    jobs = yard.enqueue_many([tasks.add.new(1), tasks.add.new(retval(-1)), tasks.echo.new([retval(-1), retval(-2)])])

    run_now(yard)

    assert jobs[2].wait(0).result == [3, 2]


def test_relative_positions_mean_nothing_outside_of_a_batch(yard, tasks):
    with pytest.raises(BadArguments, match="-1"):
        tasks.echo.using(after=[-1]).enqueue()
    with pytest.raises(BadArguments, match="-1"):
        tasks.echo.enqueue(retval(-1))


def test_a_position_counts_the_jobs_that_existed_too(yard, tasks):
    """A job that a unique key found takes the place of the new one in everything that points at it."""
    before = tasks.add.using(unique="one").enqueue(1)

    same, after = yard.enqueue_many([tasks.add.using(unique="one").new(1), tasks.echo.new(retval(-1))])

    assert (same, same.existing, after.existing) == (before, True, False)
    run_now(yard)
    assert after.wait(0).result == 2


def test_two_equal_unique_keys_in_one_batch_are_one_job(yard, tasks):
    jobs = yard.enqueue_many([tasks.add.using(unique=True).new(1) for _ in range(3)])

    assert [(job.id, job.existing) for job in jobs] == [(1, False), (1, True), (1, True)]
    assert yard.count(by=()) == 1


def test_the_same_token_twice_in_one_batch_is_one_job(yard, tasks):
    jobs = yard.enqueue_many([tasks.add.using(token="t").new(n) for n in range(3)])

    assert [(job.id, job.existing) for job in jobs] == [(1, False), (1, True), (1, True)]


def test_a_connection_belongs_to_the_call_that_stores(yard, tasks):
    with pytest.raises(UsageError, match="connection="):
        tasks.add.using(connection=object()).new(1)
    with pytest.raises(UsageError, match="connection="):
        yard.new(tasks.add.op(1), connection=object())


def test_a_chain_of_results_runs_to_its_end(yard, tasks):
    jobs = yard.enqueue_many([tasks.add.new(0), *(tasks.add.new(retval(-1)) for _ in range(300))])

    assert run_now(yard).succeeded == 301
    assert jobs[-1].wait(0).result == 301
