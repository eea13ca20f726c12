"""What a host does with runs: begins, order, results, and what ends them."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from tests.support import eventually
from tests.worker.support import hosting, run, run_ops, task

from jobyard import errors
from jobyard.model.messages import Call, Cancel, Ended, Outcome, Value
from jobyard.model.traceback import RemoteError


def test_a_function_returns_its_result():
    def add(a: int, b: int) -> int:
        return a + b

    with hosting(add) as (host, ear):
        host.run([run("add", args="[[1, 2]]")])

        outcome = ear.outcome()

    assert (outcome.ended, outcome.result, outcome.more, outcome.error) == (Ended.RETURNED, "3", False, None)
    assert outcome.began > 1_500_000_000_000_000


def test_a_coroutine_returns_its_result():
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    with hosting(add) as (host, ear):
        host.run([run("add", args="[[1, 2]]")])

        assert ear.outcome().result == "3"


def test_an_exception_is_captured_with_its_classes():
    def fail(path: str) -> None:
        raise FileNotFoundError(path)

    with hosting(fail) as (host, ear):
        host.run([run("fail", args='[["x.png"]]')])
        outcome = ear.outcome()

    error = RemoteError.from_json(outcome.error)
    assert outcome.ended == Ended.RAISED
    assert outcome.types[:2] == ["builtins:FileNotFoundError", "builtins:OSError"]
    assert [frame.function for frame in error.frames] == ["fail"]
    assert error.frames[0].locals["path"] == "'x.png'"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_would_end_a_thread_is_a_failure_of_the_job(error: BaseException, is_async: bool):
    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    def well() -> str:
        return "well"

    with hosting(fail, afail, well, slots=1) as (host, ear):
        host.run([run("afail" if is_async else "fail"), run("well", id=2)])

        assert ear.outcome(1).ended == Ended.RAISED
        assert ear.outcome(2).result == '"well"'


@pytest.mark.parametrize(
    ("signal", "ended"),
    [
        (errors.SkipJob("nothing to do"), Ended.SKIPPED),
        (errors.RetryJob("later", delay=7), Ended.RETRY),
        (errors.SuspendJob(), Ended.SUSPENDED),
        (errors.CancelJob(), Ended.CANCELED),
    ],
)
def test_a_signal_steers_the_job(signal: BaseException, ended: str):
    def steer() -> None:
        raise signal

    with hosting(steer) as (host, ear):
        host.run([run("steer")])
        outcome = ear.outcome()

    assert outcome.ended == ended
    assert outcome.delay == getattr(signal, "delay", None)
    assert (outcome.error is None) == (not signal.args and ended != Ended.RETRY)


def test_a_result_that_cannot_be_stored_fails_the_attempt():
    def answer() -> Any:
        return object()

    with hosting(answer) as (host, ear):
        host.run([run("answer")])
        outcome = ear.outcome()

    assert (outcome.ended, outcome.types[0]) == (Ended.RAISED, "jobyard.errors:BadResult")


def test_a_result_over_the_limit_fails_the_attempt():
    def answer() -> str:
        return "x" * (2 << 20)

    with hosting(answer) as (host, ear):
        host.run([run("answer")])

        assert ear.outcome().types[0] == "jobyard.errors:PayloadTooLarge"


def test_arguments_that_no_longer_fit_are_unfit_and_named():
    def scale(width: int) -> None: ...

    with hosting(scale) as (host, ear):
        host.run([run("scale", args='[["wide"]]')])
        outcome = ear.outcome()

    assert outcome.ended == Ended.UNFIT
    assert "width" in RemoteError.from_json(outcome.error).message


def test_a_task_that_is_not_registered_is_unknown():
    with hosting() as (host, ear):
        host.run([run("elsewhere")])

        assert ear.outcome().ended == Ended.UNKNOWN


def test_a_class_task_is_made_and_run():
    made = task(lambda: None)
    made.name, made.function = "Job", lambda: "done"

    with hosting(made) as (host, ear):
        host.run([run("Job")])

        assert ear.outcome().result == '"done"'


def test_ops_run_in_order_and_take_results_of_earlier_ones():
    def make() -> list[int]:
        return [1, 2]

    async def double(values: list[int]) -> list[int]:
        return [2 * value for value in values]

    def total(values: list[int], more: int) -> int:
        return sum(values) + more

    ops = run_ops(("make", "[]"), ("double", "[[null]]"), ("total", "[[null, 1]]"))
    assert ops.calls is not None
    ops.calls[1].op_refs = [([0], 0)]
    ops.calls[2].op_refs = [([0], 1)]
    with hosting(make, double, total) as (host, ear):
        host.run([ops])
        outcomes = ear.outcomes(3)

    assert [(o.op, o.result, o.more) for o in outcomes] == [(0, "[1,2]", True), (1, "[2,4]", True), (2, "7", False)]


def test_the_result_of_another_job_is_put_into_the_arguments():
    def total(values: dict[str, list[int]]) -> int:
        return sum(values["here"])

    call = Call(0, "total", '[[{"here": null}]]', values=[Value([0, "here"], "unknown:task", "[3, 4]")])
    with hosting(total) as (host, ear):
        host.run([run("total", calls=[call])])

        assert ear.outcome().result == "7"


def test_a_failed_op_ends_the_run():
    def fail() -> None:
        raise ValueError

    def never() -> None: ...

    with hosting(fail, never) as (host, ear):
        host.run([run_ops(("fail", "[]"), ("never", "[]"))])
        eventually(lambda: host.busy == 0 and ear.of(Outcome))

        assert [(o.op, o.ended, o.more) for o in ear.outcomes()] == [(0, Ended.RAISED, False)]


def test_jobs_do_not_see_each_others_context_variables():
    variable: ContextVar[str] = ContextVar("variable", default="clean")

    def soil() -> str:
        before = variable.get()
        variable.set("soiled")
        return before

    async def asoil() -> str:
        return soil()

    with hosting(soil, asoil, slots=1) as (host, ear):
        host.run([run("asoil" if id % 2 else "soil", id=id) for id in range(4)])

        assert {o.result for o in ear.outcomes(4)} == {'"clean"'}


def test_slots_run_side_by_side_and_no_more_of_them():
    together = threading.Barrier(3)
    counts: list[int] = []

    def meet() -> None:
        together.wait(10)
        counts.append(host.busy)

    async def ameet() -> None:
        await asyncio.to_thread(meet)

    with hosting(meet, ameet, slots=3) as (host, ear):
        host.run([run("ameet" if id % 3 == 0 else "meet", id=id) for id in range(9)])

        assert {o.ended for o in ear.outcomes(9)} == {Ended.RETURNED}
    assert max(counts) == 3


def test_a_job_never_waits_behind_a_slow_one_while_a_slot_is_free():
    release = threading.Event()

    def slow() -> None:
        release.wait(10)

    def quick() -> None: ...

    with hosting(slow, quick, slots=2) as (host, ear):
        host.run([run("slow"), *(run("quick", id=id) for id in range(2, 50))])
        ear.outcomes(48)

        assert host.busy == 1
        release.set()


def test_many_short_jobs_are_all_run_once():
    def noop() -> None: ...

    async def anoop() -> None: ...

    with hosting(noop, anoop, slots=10) as (host, ear):
        for start in range(0, 5_000, 500):
            host.run([run("anoop" if id % 7 == 0 else "noop", id=id) for id in range(start, start + 500)])

        assert sorted(o.id for o in ear.outcomes(5_000)) == list(range(5_000))
        assert (host.busy, host.waiting) == (0, 0)


def test_what_is_taken_back_never_begins():
    release = threading.Event()
    began: list[int] = []

    def hold(id: int) -> None:
        began.append(id)
        release.wait(10)

    with hosting(hold, slots=1) as (host, ear):
        host.run([run("hold", id=id, args=f"[[{id}]]") for id in (1, 2, 3)])
        eventually(lambda: host.begun(1, 1))

        assert not host.begun(2, 1)
        assert host.take_back([(1, 1), (2, 1)]) == [(2, 1)]
        assert host.take_back() == [(3, 1)]
        release.set()
        ear.outcome(1)
        host.run([run("hold", id=4, args="[[4]]")])
        ear.outcome(4)
    assert began == [1, 4]


@pytest.mark.parametrize(("why", "ended"), [("cancel", Ended.CANCELED), ("drain", Ended.DRAINED)])
def test_a_run_that_has_not_begun_is_canceled_at_once(why: str, ended: str):
    release = threading.Event()

    def hold() -> None:
        release.wait(10)

    with hosting(hold, slots=1) as (host, ear):
        host.run([run("hold", id=1), run("hold", id=2)])
        host.tell([Cancel(2, 1, why, 5)])

        assert ear.outcome(2).ended == ended
        release.set()
        assert ear.outcome(1).ended == Ended.RETURNED


def test_the_last_outcome_of_a_burst_is_not_kept_back_by_a_slow_job():
    release = threading.Event()

    def quick() -> None: ...

    def slow() -> None:
        release.wait(10)

    with hosting(quick, slow, slots=1) as (host, ear):
        host.run([run("quick", id=1), run("slow", id=2), run("quick", id=3)])

        assert ear.outcome(1).ended == Ended.RETURNED
        release.set()
        ear.outcome(3)


def test_a_stopped_host_ends_what_runs_and_leaves_logging_as_it_was():
    release = threading.Event()

    def hold() -> None:
        release.wait(10)

    before = sys.stdout
    with hosting(task(hold, log_prints=True)) as (host, ear):
        host.run([run("hold")])
        eventually(lambda: host.busy)
        host.stop()
        release.set()

        assert ear.outcome().ended == Ended.RETURNED
        eventually(lambda: sys.stdout is before)
