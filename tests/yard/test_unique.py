"""At most one unfinished job with a key, and at most one job with a token."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from jobyard import BadArguments, InvalidTransition, UnknownJob, Yard
from jobyard.testing import run_now


def test_a_second_call_returns_the_first_job(tasks):
    first = tasks.add.using(unique=True).enqueue(1)

    second = tasks.add.using(unique=True).enqueue(1)

    assert (first.existing, second.existing) == (False, True)
    assert second == first


def test_true_is_task_and_arguments(yard, tasks):
    add, echo = tasks.add.using(unique=True), tasks.echo.using(unique=True)

    jobs = [add.enqueue(1), add.enqueue(2), add.enqueue(a=1), add.enqueue(1, b=1), add.enqueue(1, b=2), echo.enqueue(1)]

    assert [job.existing for job in jobs] == [False, False, True, True, False, False]


def test_a_text_is_the_key_itself(tasks):
    assert not tasks.add.using(unique="key").enqueue(1).existing
    assert tasks.echo.using(unique="key").enqueue("another task").existing


def test_a_callable_makes_the_key_of_the_arguments(tasks):
    by_tens = tasks.add.using(unique=lambda a, b=1: None if a < 0 else f"tens:{a // 10}")

    jobs = [by_tens.enqueue(11), by_tens.enqueue(19), by_tens.enqueue(21), by_tens.enqueue(-1), by_tens.enqueue(-1)]

    assert [job.existing for job in jobs] == [False, True, False, False, False]


def test_a_job_of_several_ops_is_unique_by_all_of_them(yard, tasks):
    def enqueue(*numbers):
        return yard.enqueue(*(tasks.add.op(n) for n in numbers), unique=True)

    assert [job.existing for job in (enqueue(1, 2), enqueue(1, 2), enqueue(2, 1))] == [False, True, False]


@pytest.mark.parametrize("state", ["scheduled", "waiting", "suspended"])
def test_any_unfinished_job_holds_its_key(yard, tasks, state):
    unique = tasks.echo.using(unique="key")
    if state == "scheduled":
        first = unique.using(due=timedelta(hours=1)).enqueue()
    elif state == "waiting":
        first = unique.using(after=[tasks.echo.enqueue()]).enqueue()
    else:
        first = unique.enqueue().suspend()

    assert first.status == state
    assert unique.enqueue() == first


@pytest.mark.parametrize("end", ["echo", "fail", "skip", "give_up"])
def test_the_end_lets_the_key_go(yard, tasks, end):
    unique = getattr(tasks, end).using(unique="key")
    unique.enqueue()

    run_now(yard)

    assert not unique.enqueue().existing


def test_the_start_lets_go_of_a_key_that_is_held_until_then(yard):
    """A change that is made during a run gets a job of its own."""
    seen = []

    @yard.task(name="publish", unique=True)
    def publish():
        if not seen:
            seen.append(publish.using(unique_for="start").enqueue())

    first = publish.using(unique_for="start").enqueue()
    assert publish.enqueue() == first

    assert run_now(yard).succeeded == 2
    assert [job.existing for job in seen] == [False]


def test_a_key_held_for_a_time_outlives_the_job_but_not_the_time(yard, tasks, clock):
    hourly = tasks.echo.using(unique="key", unique_for="1h")
    first = hourly.enqueue()
    run_now(yard)

    clock.advance(3599)
    assert (first.refresh().status, hourly.enqueue()) == ("succeeded", first)

    clock.advance(1)
    assert not hourly.enqueue().existing


def test_a_key_held_for_a_time_is_let_go_though_the_job_is_unfinished(tasks, clock):
    hourly = tasks.echo.using(unique="key", unique_for=timedelta(hours=1))
    hourly.enqueue()

    clock.advance(3600)

    assert not hourly.enqueue().existing


def test_a_retry_takes_the_key_again(yard, tasks):
    unique = tasks.fail.using(unique="key")
    first = unique.enqueue()
    run_now(yard)

    first.retry()

    assert unique.enqueue() == first


def test_a_retry_is_refused_while_another_job_has_the_key(yard, tasks):
    unique = tasks.fail.using(unique="key")
    first = unique.enqueue()
    run_now(yard)
    second = unique.enqueue()

    with pytest.raises(InvalidTransition, match=f"job {second.id}"):
        first.retry()

    assert first.refresh().status == "failed"


@pytest.mark.parametrize("bad", [3, "", b"key"])
def test_what_is_no_key_is_refused(tasks, bad):
    with pytest.raises(BadArguments, match="unique="):
        tasks.echo.using(unique=bad)


def race(count, call):
    """What *call* returned in each of so many threads that began together."""
    barrier, found = threading.Barrier(count), []

    def run():
        barrier.wait()
        found.append(call())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_fifty_racing_callers_get_one_job(yard, tasks):
    found = race(50, lambda: tasks.add.using(unique=True).enqueue(1))

    assert len(found) == 50
    assert len({job.id for job in found}) == 1
    assert sorted(job.existing for job in found) == [False] + [True] * 49


def test_fifty_racing_callers_with_one_token_get_one_job(yard, tasks):
    found = race(50, lambda: tasks.add.using(token="t").enqueue(1))

    assert len({job.id for job in found}) == 1
    assert sorted(job.existing for job in found) == [False] + [True] * 49


def test_yards_of_one_store_share_its_keys(url, yard, tasks):
    first = tasks.add.using(unique="key").enqueue(1)
    with Yard(url) as other:
        task = other.task(name="add")(lambda a: a)

        assert task.using(unique="key").enqueue(1) == first


def test_a_token_returns_the_first_job_whatever_became_of_it(yard, tasks):
    call = tasks.add.using(token="reply lost")
    first = call.enqueue(1)
    run_now(yard)

    second = call.enqueue(2)

    assert (second, second.existing, second.result) == (first, True, 2)


def test_a_token_stays_when_its_job_is_pruned(yard, tasks, clock):
    """The lost reply to a call comes after days: it must not run the job again."""
    call = tasks.add.using(token="t")
    call.enqueue(1)
    run_now(yard)
    clock.advance(timedelta(days=7, seconds=1))
    yard.prune()
    assert yard.count(by=()) == 0

    with pytest.raises(UnknownJob, match="pruned"):
        call.enqueue(1)


def test_a_token_of_a_refused_call_is_not_used_up(yard, tasks):
    yard.queues.drain("default")
    with pytest.raises(ValueError):
        tasks.add.using(token="t").enqueue(1)
    yard.queues.resume("default")

    assert not tasks.add.using(token="t").enqueue(1).existing
