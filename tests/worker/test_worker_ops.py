"""Jobs of several ops, run by a worker."""

import threading
import time

from tests.support import eventually
from tests.worker import in_children
from tests.worker.serving import serving

from jobyard import Retry, ctx, retval
from jobyard.errors import SkipJob


def run(yard, **options):
    return yard.worker(**{"concurrency": 4, **options}).run_until_idle()


def statuses(job):
    return [str(op.status) for op in job.refresh().ops]


def test_ops_run_in_order_and_see_earlier_results(yard):
    @yard.task
    def one() -> int:
        return 1

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    job = yard.enqueue(one.op(), add.op(retval(op=0), 10), add.op(retval(op=0), retval(op=1)))
    run(yard)

    assert [op.result for op in job.refresh().ops] == [1, 11, 12]
    assert (job.status, job.result, job.attempt) == ("succeeded", 12, 1)
    assert all(op.started_at and op.exec_at and op.ended_at for op in job.ops)


def test_ops_behind_a_failed_one_fail_and_a_retry_resumes_there(yard):
    calls = []

    @yard.task
    def note(word: str) -> str:
        calls.append(word)
        if word == "b" and calls.count("b") < 2:
            raise ValueError(word)
        return word

    job = yard.enqueue(*(note.op(word) for word in "abc"))
    run(yard)
    assert statuses(job) == ["succeeded", "failed", "failed"]
    assert job.ops[1].error.type == "ValueError"
    job.retry()
    assert statuses(job) == ["succeeded", "queued", "queued"]
    run(yard)

    assert (calls, statuses(job)) == (["a", "b", "b", "c"], ["succeeded"] * 3)
    assert [op.result for op in job.ops] == ["a", "b", "c"]


def test_a_retried_attempt_does_not_run_finished_ops_again(yard):
    calls = []

    @yard.task
    def first() -> int:
        calls.append("first")
        return 5

    @yard.task(retry=Retry(2, delay=0))
    def second(n: int) -> int:
        calls.append("second")
        if calls.count("second") < 2:
            raise ValueError
        return n

    job = yard.enqueue(first.op(), second.op(retval(op=0)))
    summary = run(yard)

    assert (calls, summary.retried, summary.succeeded) == (["first", "second", "second"], 1, 1)
    assert job.refresh().result == 5


def test_each_op_has_the_policy_of_its_own_task(yard):
    """The first op may take longer than the others, and each of those has its time for itself."""

    @yard.task(timeout=20)
    def slow() -> None:
        time.sleep(0.45)

    @yard.task(timeout=0.4)
    def quick() -> None:
        time.sleep(0.22)

    job = yard.enqueue(slow.op(), quick.op(), quick.op(), slow.op())
    run(yard)

    assert statuses(job) == ["succeeded"] * 4


def test_a_skip_skips_what_follows(yard):
    @yard.task
    def fine() -> None: ...

    @yard.task
    def skip() -> None:
        raise SkipJob

    job = yard.enqueue(fine.op(), skip.op(), fine.op())
    assert run(yard).skipped == 1
    assert statuses(job) == ["succeeded", "skipped", "skipped"]


def test_a_cancel_between_ops_keeps_what_was_done(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task
    def first() -> int:
        began.set()
        go.wait(10)
        return 1

    @yard.task
    def second() -> int:
        return 2

    with serving(yard, concurrency=1):
        job = yard.enqueue(first.op(), second.op())
        assert began.wait(10)
        assert job.cancel()[0]
        go.set()
        job.wait(10)

    assert statuses(job) == ["succeeded", "canceled"]
    assert (job.status, job.ops[0].result) == ("canceled", 1)


def test_a_cancel_during_the_last_op_that_returns_is_too_late(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task
    def only() -> int:
        began.set()
        go.wait(10)
        return 1

    with serving(yard):
        job = only.enqueue()
        assert began.wait(10)
        assert job.cancel() == (True, f"job {job.id} is running and will be canceled")
        assert job.cancel() == (False, "already canceling")
        go.set()
        job.wait(10)

    assert (job.status, job.result) == ("succeeded", 1)


def test_an_op_of_a_task_unknown_here_is_left_to_another_worker(make_yard):
    knows_one, knows_both = make_yard(), make_yard()

    def second(n: int) -> int:
        return n + 1

    for yard in (knows_one, knows_both):

        @yard.task(name="first")
        def first() -> int:
            return 1

    other = knows_both.task(second, name="second")
    job = knows_both.enqueue(first.op(), other.op(retval(op=0)))
    summary = run(knows_one)
    assert (summary.succeeded, summary.left) == (0, 1)
    assert (statuses(job), job.attempt) == (["succeeded", "queued"], 0)
    run(knows_both)

    assert (job.refresh().result, job.attempt) == (2, 1)


def test_a_stopping_worker_hands_the_rest_back(make_yard):
    """The first op is let come to its end; what follows belongs to the next worker."""
    yard = make_yard(shutdown_grace=0.05, cancel_grace=20)
    began, calls = threading.Event(), []

    @yard.task(timeout=60)
    def first() -> int:
        calls.append("first")
        began.set()
        while not ctx.canceling:
            time.sleep(0.005)
        return 1

    @yard.task(timeout=60)
    def second(n: int) -> int:
        calls.append("second")
        return n

    with serving(yard, concurrency=1) as server:
        job = yard.enqueue(first.op(), second.op(retval(op=0)))
        assert began.wait(10)
        code = server.stop()
    assert (code, statuses(job), calls) == (1, ["succeeded", "queued"], ["first"])
    run(yard)

    assert (job.refresh().result, calls, job.attempt) == (1, ["first", "second"], 1)


def test_ctx_finish_of_an_op_in_the_middle(yard, connection):
    @yard.task
    def finish(word: str, commit: bool) -> str:
        connection.execute(f"insert into work values ('{word}')")
        ctx.finish(f"finished {word}", connection=connection)
        connection.commit() if commit else connection.rollback()
        return f"returned {word}"

    @yard.task
    def last(a: str, b: str) -> str:
        return f"{a}, {b}"

    job = yard.enqueue(finish.op("a", True), finish.op("b", False), last.op(retval(op=0), retval(op=1)))
    run(yard)

    assert [op.result for op in job.refresh().ops] == ["finished a", "returned b", "finished a, returned b"]
    assert connection.execute("select word from work").fetchall() == [("a",)]


def test_the_run_knows_which_op_it_is_at(yard):
    @yard.task
    def where(word: str) -> list:
        return [ctx.job.id, ctx.op.index, ctx.op.args[0], str(ctx.op.status), ctx.attempt]

    job = yard.enqueue(where.op("a"), where.op("b"))
    run(yard)

    assert [op.result for op in job.refresh().ops] == [
        [job.id, 0, "a", "running", 1],
        [job.id, 1, "b", "running", 1],
    ]


def test_a_run_in_a_child_knows_all_ops_and_opens_no_store(make_yard):
    yard = make_yard(app=in_children.HERE)
    ops_of_job = in_children.register(yard)["ops_of_job"]
    job = yard.enqueue(*[ops_of_job.op(word) for word in "abc"])
    run(yard, processes=2)

    opened, ops = job.refresh().result
    assert ops == [["a", "succeeded", True], ["b", "succeeded", True], ["c", "running", False]]
    assert not opened


def test_the_priority_of_a_job_is_that_of_its_open_ops(yard):
    began, go = threading.Event(), threading.Event()

    @yard.task(priority=-5)
    def urgent() -> None: ...

    @yard.task(priority=3)
    def idle() -> None:
        began.set()
        go.wait(10)

    with serving(yard):
        job = yard.enqueue(urgent.op(), idle.op())
        assert job.priority == -5
        assert began.wait(10)
        eventually(lambda: job.refresh().priority == 3)
        go.set()
        job.wait(10)
