"""Cancel, timeouts, and what does not want to end."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from tests.support import eventually
from tests.worker.support import hosting, run, run_ops

from jobyard.context import ctx
from jobyard.errors import RetryJob, SkipJob
from jobyard.model.messages import Abandoned, Cancel, Deadline, Ended, Outcome, Stack, StackTaken
from jobyard.model.traceback import RemoteError, StackTrace
from jobyard.worker.attempt import Attempt
from jobyard.worker.shop import HostOptions
from jobyard.worker.watchdog import Watchdog

QUICK = HostOptions(give_up=0.3)


def spin() -> None:
    while True:
        time.sleep(0.001)


async def aspin() -> None:
    await asyncio.Event().wait()


def test_a_canceled_function_sees_the_flag_and_may_return():
    began = threading.Event()

    def work() -> str:
        began.set()
        eventually(lambda: ctx.canceling)
        return "in time"

    with hosting(work) as (host, ear):
        host.run([run("work")])
        began.wait(10)
        host.tell([Cancel(1, 1, "cancel", 5)])
        outcome = ear.outcome()

    assert (outcome.ended, outcome.result) == (Ended.RETURNED, '"in time"')


@pytest.mark.parametrize(("why", "ended"), [("cancel", Ended.CANCELED), ("drain", Ended.DRAINED)])
def test_check_canceled_leaves_the_job(why: str, ended: str):
    def work() -> None:
        while True:
            ctx.check_canceled()
            time.sleep(0.001)

    with hosting(work) as (host, ear):
        host.run([run("work")])
        eventually(lambda: host.busy)
        host.tell([Cancel(1, 1, why, 5)])

        assert ear.outcome().ended == ended


@pytest.mark.parametrize(("why", "ended"), [("cancel", Ended.CANCELED), ("drain", Ended.DRAINED)])
@pytest.mark.parametrize("function", [spin, aspin])
def test_what_does_not_look_at_the_flag_is_interrupted_after_the_grace(function, why: str, ended: str):
    with hosting(function) as (host, ear):
        host.run([run(function.__name__)])
        eventually(lambda: host.busy)
        host.tell([Cancel(1, 1, why, 0.05)])

        assert ear.outcome().ended == ended


def test_a_coroutine_is_canceled_at_once():
    began = threading.Event()

    async def wait() -> None:
        began.set()
        await asyncio.sleep(60)

    with hosting(wait) as (host, ear):
        host.run([run("wait")])
        began.wait(10)
        host.tell([Cancel(1, 1, "cancel", 60)])

        assert ear.outcome().ended == Ended.CANCELED


@pytest.mark.parametrize(
    ("answer", "ended"),
    [(SkipJob(), Ended.CANCELED), (RetryJob(delay=1), Ended.CANCELED), (ValueError("torn"), Ended.RAISED)],
)
def test_how_a_canceled_job_answers_decides(answer: BaseException, ended: str):
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise answer from None

    with hosting(wait) as (host, ear):
        host.run([run("wait")])
        eventually(lambda: host.busy)
        host.tell([Cancel(1, 1, "cancel", 60)])

        assert ear.outcome().ended == ended


def test_a_canceled_job_of_several_ops_stops_behind_the_one_that_returns():
    began = threading.Event()

    def first() -> str:
        began.set()
        eventually(lambda: ctx.canceling)
        return "done"

    def second() -> None: ...

    with hosting(first, second) as (host, ear):
        host.run([run_ops(("first", "[]"), ("second", "[]"))])
        began.wait(10)
        host.tell([Cancel(1, 1, "cancel", 5)])
        outcomes = ear.outcomes(2)

    assert [(o.op, o.ended, o.more) for o in outcomes] == [(0, Ended.RETURNED, True), (1, Ended.CANCELED, False)]


@pytest.mark.parametrize("function", [spin, aspin])
def test_a_timeout_says_where_it_was(function):
    with hosting(function) as (host, ear):
        host.run([run(function.__name__, timeout=0.05)])
        outcome = ear.outcome()

    error = RemoteError.from_json(outcome.error)
    (taken,) = ear.of(StackTaken)
    assert outcome.ended == Ended.TIMEOUT
    assert outcome.types[0] == "jobyard.errors:JobTimeout"
    assert (error.type, error.message) == ("jobyard.errors.JobTimeout", "ran longer than its timeout of 0.05 s")
    assert error.frames[0].function == function.__name__
    assert StackTrace.from_json(taken.stack).frames[0].function == function.__name__
    assert [type(m) for m in ear.messages[-3:]] == [StackTaken, Deadline, Outcome]


def test_a_job_that_does_not_beat_is_out_of_time_and_one_that_beats_is_not():
    def beats() -> None:
        for _ in range(60):
            ctx.heartbeat("on it")
            time.sleep(0.01)

    with hosting(beats, spin) as (host, ear):
        host.run([run("beats", id=1, heartbeat_timeout=0.3), run("spin", id=2, heartbeat_timeout=0.3)])

        assert "heartbeat_timeout" in RemoteError.from_json(ear.outcome(2).error).message
        assert (ear.outcome(1).ended, ear.outcome(1).logtail) == (Ended.RETURNED, "on it")


def test_a_thread_that_would_not_stop_is_given_up_and_replaced():
    release = threading.Event()

    def stubborn() -> None:
        while not release.is_set():
            try:
                time.sleep(0.01)
            except BaseException:
                continue

    def well() -> str:
        return "well"

    with hosting(stubborn, well, slots=1, options=QUICK) as (host, ear):
        host.run([run("stubborn", id=1, timeout=0.05), run("well", id=2)])
        assert ear.outcome(2).result == '"well"'

        (abandoned,) = ear.of(Abandoned)
        assert (abandoned.id, abandoned.ended, host.abandoned) == (1, Ended.TIMEOUT, 1)
        assert "would not stop" in RemoteError.from_json(abandoned.error).message
        release.set()
        host.run([run("well", id=3)])
        ear.outcome(3)
    assert ear.of(Outcome, 1) == []


@pytest.mark.parametrize("blocking", [False, True])
def test_a_coroutine_that_would_not_stop_is_given_up(blocking: bool):
    release = threading.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                if blocking:
                    time.sleep(0.01)
                else:
                    await asyncio.sleep(0.01)
            except BaseException:
                continue

    async def well() -> str:
        return "well"

    with hosting(stubborn, well, slots=1, options=QUICK) as (host, ear):
        host.run([run("stubborn", id=1), run("well", id=2)])
        eventually(lambda: host.begun(1, 1))
        host.tell([Cancel(1, 1, "cancel", 0.05)])

        assert ear.outcome(2).result == '"well"'
        assert [m.ended for m in ear.of(Abandoned)] == [Ended.CANCELED]
        release.set()


def test_a_coroutine_that_holds_the_loop_is_interrupted():
    async def hold() -> None:
        spin()

    async def well() -> str:
        return "well"

    with hosting(hold, well) as (host, ear):
        host.run([run("hold", id=1, timeout=0.05), run("well", id=2)])

        assert ear.outcome(1).ended == Ended.TIMEOUT
        assert ear.outcome(2).result == '"well"'


def test_a_coroutine_may_end_while_it_is_looked_at():
    class Ending(Attempt):
        """The loop lets go of its coroutine right after somebody has asked for it."""

        @property
        def task(self) -> asyncio.Task[None] | None:
            task, self.left = self.left, None
            return task

    async def wait() -> None:
        await asyncio.Event().wait()

    with hosting(wait) as (host, ear):
        host.run([run("wait")])
        running = eventually(lambda: host.attempt(1, 1))
        ending = Ending(run("wait", id=2), host.loop, host.shop, Watchdog(host))
        ending.left = eventually(lambda: running.task)
        host.loop.interrupt(ending)

        host.tell([Cancel(1, 1, "cancel", 0.0)])
        assert ear.outcome(1).ended == Ended.CANCELED


def test_interrupts_never_reach_the_next_job():
    """Timeouts that fall on the end of a job, a thousand times: whoever is hit, it is the job that was late."""
    brink = 0.002

    def late() -> None:
        until = time.monotonic() + brink
        while time.monotonic() < until:
            pass

    def well() -> None:
        sum(range(100))

    with hosting(late, well, slots=1) as (host, ear):
        runs = [run("well" if id % 2 else "late", id=id, timeout=None if id % 2 else brink) for id in range(300)]
        host.run(runs)
        outcomes = {o.id: o.ended for o in ear.outcomes(300)}

    assert {outcomes[id] for id in range(1, 300, 2)} == {Ended.RETURNED}
    assert {outcomes[id] for id in range(0, 300, 2)} <= {Ended.RETURNED, Ended.TIMEOUT}


@pytest.mark.parametrize("function", [spin, aspin])
def test_the_stack_of_a_running_job_is_taken(function):
    with hosting(function) as (host, ear):
        host.run([run(function.__name__)])
        eventually(lambda: host.busy)
        host.tell([Stack(7, 1, 1), Stack(8, 5, 1)])
        eventually(lambda: len(ear.of(StackTaken)) == 2)
        host.tell([Cancel(1, 1, "cancel", 0)])
        ear.outcome()

    taken, unknown = ear.of(StackTaken)
    assert (taken.request, StackTrace.from_json(taken.stack).frames[0].function) == (7, function.__name__)
    assert (unknown.request, StackTrace.from_json(unknown.stack).frames) == (8, [])


def test_a_lost_run_is_stopped():
    with hosting(spin) as (host, ear):
        host.run([run("spin")])
        eventually(lambda: host.busy)
        host.tell([Cancel(1, 1, "lost", 0)])

        assert ear.outcome().ended == Ended.CANCELED
