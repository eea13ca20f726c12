"""One job of several ops."""

import pytest
from tests.task.yards import Desk

from jobyard.errors import BadArguments, UnknownTask, UsageError
from jobyard.model.job import Job
from jobyard.model.newjob import JobOptions, accepted_bits
from jobyard.model.op import Op
from jobyard.model.references import Ref, retval
from jobyard.task import CallOptions, Registry, new_job

DESK = Desk()


@DESK.task(name="fetch", queue="net", title="Fetch it")
def fetch(url: str) -> str:
    return url


@DESK.task(name="store", queue="disk", priority=5, unique=True)
def store(data: str, copies: int = 1) -> int:
    return len(data) * copies


TASKS = Registry()
TASKS.add(fetch)
TASKS.add(store)


def new(*ops, **options):
    return new_job(ops, CallOptions().merged(options), TASKS)


def test_ops_stay_in_their_order():
    job = new(fetch.op("a"), store.op(retval(op=0), copies=2), fetch.op("b"))

    assert [op.task for op in job.ops] == ["fetch", "store", "fetch"]
    assert job.ops[1].refs == [Ref([0], op=0)]
    assert job.after == []


def test_queue_and_title_are_the_first_task_s_unless_said():
    assert (new(fetch.op("a"), store.op("b")).queue, new(fetch.op("a")).options.title) == ("net", "Fetch it")

    job = new(fetch.op("a"), store.op("b"), queue="q", title="Both", tags=["x"])

    assert (job.queue, job.options) == ("q", JobOptions(title="Both", tags=("x",)))


def test_the_priority_of_an_op_is_its_own_then_the_call_s_then_its_task_s():
    ops = [fetch.op("a"), store.op("b"), store.using(priority=-7).op("c")]

    assert [op.priority for op in new(*ops).ops] == [None, 5, -7]
    assert [op.priority for op in new(*ops, priority=2).ops] == [2, 2, -7]
    assert (new(*ops).priority, new(*ops, priority=2).priority) == (None, 2)


def test_making_a_job_leaves_its_ops_as_they_are():
    op = fetch.op("a")

    new(op, priority=3)

    assert op.new.priority is None


def test_jobs_among_the_arguments_of_any_op_are_waited_for():
    parent = Job("default", 7, [Op("t")])

    job = new(fetch.op("a"), store.op(parent))

    assert job.after == [(7, accepted_bits({"succeeded"}))]


def test_a_result_of_a_later_op_is_refused():
    with pytest.raises(BadArguments, match=r"retval\(op=1\) in op 0"):
        new(fetch.op(retval(op=1)), fetch.op("b"))


def test_a_job_has_ops_and_they_are_new():
    with pytest.raises(BadArguments, match="at least one op"):
        new()
    with pytest.raises(BadArguments, match="no op"):
        new("fetch")
    with pytest.raises(BadArguments, match="belongs to a job already"):
        new(Op("fetch", ["a"]))


def test_the_task_of_an_op_is_registered_here():
    with pytest.raises(UnknownTask, match="elsewhere"):
        new(Desk().task(name="elsewhere")(lambda: None).op())


def test_a_job_of_one_op_is_as_unique_as_its_task_says():
    assert new(store.op("b")).unique == store.new("b").unique
    assert new(store.op("b"), unique=False).unique is None
    assert new(fetch.op("b")).unique is None
    assert new(fetch.op("b"), unique=True).unique == fetch.using(unique=True).new("b").unique


def test_a_job_of_several_ops_is_unique_when_the_call_says_so():
    ops = [fetch.op("a"), store.op("b")]

    assert new(*ops).unique is None
    assert new(*ops, unique="one").unique == "one"
    assert new(*ops, unique=True).unique == new(*ops, unique=True).unique
    assert new(*ops, unique=True).unique != new(*ops[::-1], unique=True).unique
    with pytest.raises(BadArguments, match="unique="):
        new(*ops, unique=len)


def test_a_memory_limit_needs_a_process():
    with pytest.raises(UsageError, match="isolation"):
        new(fetch.op("a"), memory_limit="1G")

    assert new(fetch.op("a"), memory_limit="1G", isolation="process").options.memory_limit == 2**30
