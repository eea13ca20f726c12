"""Results as arguments: what stands for them, anywhere in the arguments."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from jobyard import BadArguments, retval
from jobyard.testing import run_now


def test_a_job_stands_for_its_result_and_is_waited_for(yard, tasks):
    first = tasks.add.enqueue(1)
    second = tasks.add.enqueue(first, b=first)
    assert second.status == "waiting"

    run_now(yard)

    assert second.wait(0).result == 4


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (lambda job: [job, [job]], [2, [2]]),
        (lambda job: {"a": {"b": job}}, {"a": {"b": 2}}),
        (lambda job: (job, 1), (2, 1)),
        (lambda job: [{"deep": (retval(job), [job.id, retval(job.id)])}], [{"deep": (2, [1, 2])}]),
    ],
)
def test_it_may_be_anywhere_in_the_arguments(yard, tasks, given, expected):
    first = tasks.add.enqueue(1)
    job = tasks.echo.enqueue(given(first))

    run_now(yard)

    assert job.wait(0).result == expected


def test_it_may_be_in_annotated_containers(yard, tasks):
    @yard.task(name="total")
    def total(numbers: list[int], more: dict[str, int]) -> int:
        return sum(numbers) + sum(more.values())

    first = tasks.add.enqueue(1)
    job = total.enqueue([first, 10, first], more={"x": first})

    run_now(yard)

    assert job.wait(0).result == 16


def test_a_result_comes_as_the_type_that_its_task_says(yard):
    @dataclass
    class Point:
        x: int

    @yard.task(name="make")
    def make() -> Point:
        return Point(3)

    @yard.task(name="use")
    def use(point: Point) -> int:
        return point.x

    job = use.enqueue(make.enqueue())
    run_now(yard)

    assert job.wait(0).result == 3


def test_an_earlier_op_of_the_same_job_is_retval_op(yard, tasks):
    job = yard.enqueue(
        tasks.add.op(1), tasks.add.op(retval(op=0), b=10), tasks.echo.op([retval(op=0), retval(op=1), retval(op=0)])
    )

    run_now(yard)

    assert job.wait(0).result == [2, 12, 2]


@pytest.mark.parametrize("op", [0, 1, 5, -1])
def test_only_ops_before_it_have_results(yard, tasks, op):
    with pytest.raises(BadArguments, match=r"retval\(op="):
        yard.enqueue(tasks.echo.op(retval(op=op)), tasks.add.op(1))


def test_the_result_of_a_definition_belongs_in_a_definition(yard, tasks):
    with pytest.raises(BadArguments, match="extract"):
        tasks.echo.enqueue(retval("extract"))
    with pytest.raises(BadArguments, match="extract"):
        yard.enqueue_many([tasks.echo.new(retval("extract"))])


def test_the_arguments_of_an_op_show_what_stands_there(yard, tasks):
    first = tasks.add.enqueue(1)
    job = yard.job(tasks.echo.enqueue([first, "x"]).id)

    [[shown, text]] = job.ops[0].args

    assert (repr(shown), text) == (f"retval(job={first.id})", "x")


def test_no_data_looks_like_a_reference(yard, tasks):
    data = [{"job": 1, "op": 0}, ["retval", 1], "retval(job=1)", {"$ref": 1}]
    tasks.add.enqueue(1)
    job = tasks.echo.enqueue(data)
    assert job.status == "queued"

    run_now(yard)

    assert job.wait(0).result == data


def test_a_retried_job_of_several_ops_keeps_the_results_of_those_that_are_done(yard, tasks):
    calls = []

    @yard.task(name="flaky")
    def flaky(before: int) -> int:
        calls.append(before)
        if len(calls) == 1:
            raise ValueError
        return before * 10

    job = yard.enqueue(tasks.add.op(1), flaky.op(retval(op=0)), tasks.add.op(retval(op=1)))
    run_now(yard)
    assert [op.status for op in job.refresh().ops] == ["succeeded", "failed", "failed"]

    job.retry()
    run_now(yard)

    assert (calls, job.wait(0).result) == ([2, 2], 21)
