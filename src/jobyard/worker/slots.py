"""
What runs are carried on: threads, and one event loop in a thread of its own.

A carrier that has ended a run takes the next from the line by itself. It gives its permit back when there is none.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Coroutine
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from jobyard.context import current_run
from jobyard.model.messages import Outcome, Run
from jobyard.worker.attempt import Attempt, Carrier
from jobyard.worker.execute import Step, calls_of
from jobyard.worker.interrupt import Aim, Interrupted

__all__ = ["Loop", "ThreadSlot"]

_LOOK_UP = 1.0
"""Seconds: an interrupt is raised between two waits, never within one."""


class Home(Protocol):
    """The host, as its carriers see it."""

    context: contextvars.Context

    @property
    def loop(self) -> Loop: ...
    def begin(self, run: Run, carrier: Carrier) -> Attempt | None: ...
    def report(self, attempt: Attempt, outcome: Outcome) -> None: ...
    def ended(self, attempt: Attempt) -> None: ...
    def next_for(self, carrier: ThreadSlot | Loop, *, is_async: bool) -> Run | None: ...
    def replace(self, loop: Loop) -> None: ...


class ThreadSlot:
    """A thread that runs jobs one after another, and sleeps in between."""

    def __init__(self, host: Home, number: int) -> None:
        self.number = number
        self._host = host
        self._wake = threading.Lock()
        self._wake.acquire()
        self._run: Run | None = None
        self.aim: Aim | None = None
        # A daemon: a job that would not end must not keep the process.
        self.thread = threading.Thread(target=self.serve, name=f"jobyard-slot-{number}", daemon=True)

    def hand(self, run: Run | None) -> None:
        """Wake the sleeping slot for a run; None: to end."""
        self._run = run
        self._wake.release()

    def serve(self) -> None:
        """Run jobs until told to end, or given up."""
        self.aim = self._make_aim()
        while True:
            self._wake.acquire()
            run = self._run
            if run is None:
                return
            while run is not None:
                attempt = self._carry(run)
                if attempt is not None and attempt.given_up:
                    return
                waits = attempt is not None and attempt.unwritten
                run = None if waits else self._host.next_for(self, is_async=False)

    def told(self, attempt: Attempt) -> None:
        if attempt.task is not None:
            self._host.loop.cancel(attempt)

    def interrupt(self, attempt: Attempt) -> None:
        if self.aim is not None:
            self.aim.fire(attempt)

    def give_up(self, attempt: Attempt) -> bool:
        return self.aim is not None and self.aim.give_up(attempt)

    def stack(self, attempt: Attempt) -> Any:
        return attempt.task or (self.aim.ident if self.aim else None)

    def _make_aim(self) -> Aim:
        return Aim()

    def _carry(self, run: Run) -> Attempt | None:
        """Run a job to its end. It may have been given up meanwhile, and this thread with it."""
        attempt = self._host.begin(run, self)
        if attempt is not None:
            self._host.context.copy().run(self._perform, attempt)
            if not attempt.given_up:
                self._host.ended(attempt)
        return attempt

    def _perform(self, attempt: Attempt) -> None:
        current_run.set(attempt)
        calls = calls_of(attempt)
        for call in calls:
            step = Step(attempt, call, call is not calls[-1])
            outcome = self._op(attempt, step) if step.may_begin() else step.refused()
            if attempt.given_up:
                return
            self._host.report(attempt, outcome)
            if not outcome.more:
                return

    def _op(self, attempt: Attempt, step: Step) -> Outcome:
        aim = self.aim
        assert aim is not None  # set before the first run
        try:
            try:
                aim.arm(attempt)
                outcome = self._call(attempt, step)
            finally:
                aim.disarm()
        except BaseException as error:
            aim.disarm()  # again: an interrupt may have hit the first one before it took effect
            outcome = step.raised(error)
        attempt.given_up = aim.given_up
        return outcome

    def _call(self, attempt: Attempt, step: Step) -> Outcome:
        args, kwargs = step.decode()
        value = step.task.function(*args, **kwargs)
        if step.task.is_async:
            value = self._host.loop.call(attempt, value)
        return step.returned(value)


class Loop:
    """The event loop of a host, which runs the coroutines of `async def` tasks side by side."""

    number = 0

    def __init__(self, host: Home) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._inbox: deque[Run] = deque()
        self._awake = False
        self._left_behind = False
        self._ended = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="jobyard-loop", daemon=True)
        self._thread.start()

    def post(self, runs: list[Run]) -> None:
        """Begin these runs."""
        self._inbox.extend(runs)
        if not self._awake:  # one wake-up for all that comes until it looks
            self._awake = True
            self._loop.call_soon_threadsafe(self._accept)

    def call(self, attempt: Attempt, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine here on behalf of a thread, which waits for its end."""
        answer: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        context = contextvars.copy_context()
        self._loop.call_soon_threadsafe(self._errand, attempt, coroutine, answer, context)
        try:
            value, error = _patiently(answer)
        except Interrupted:
            self.cancel(attempt)
            raise
        if error is not None:
            raise error
        return value

    def cancel(self, attempt: Attempt) -> None:
        """Cancel the coroutine of a run."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_cancel, attempt)

    told = cancel

    def interrupt(self, attempt: Attempt) -> None:
        """
        Cancel it once more; if its code holds the loop, raise `Interrupted` in it.

        The aim is as good as the look at the coroutine: what comes a moment too late ends one turn of the loop, which
        then goes on.
        """
        self.cancel(attempt)
        if _runs(attempt) and self._thread.ident is not None:
            Aim.raise_in(self._thread.ident)

    def give_up(self, attempt: Attempt) -> bool:
        with self._lock:
            if attempt.ended:
                return False
            attempt.given_up = True
            self._left_behind = True
        if _runs(attempt):
            self._host.replace(self)
        return True

    def leave(self) -> list[Run]:
        """The runs that it has not looked at yet: it is held, and another loop has them now."""
        left: list[Run] = []
        while self._inbox:
            left.append(self._inbox.popleft())
        return left

    def stack(self, attempt: Attempt) -> Any:
        return attempt.task

    def stop(self) -> None:
        """End the thread of the loop, unless coroutines that were given up still live in it."""
        if not self._left_behind and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._ended.is_set():
            try:
                self._loop.run_forever()
                self._ended.set()
            except Interrupted:
                continue  # it was for a coroutine that has just ended
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _accept(self) -> None:
        self._awake = False
        while self._inbox:
            self._start(self._inbox.popleft())

    def _start(self, run: Run) -> None:
        self._loop.create_task(self._carry(run), context=self._host.context.copy())

    async def _carry(self, run: Run) -> None:
        attempt = self._host.begin(run, self)
        if attempt is not None:
            attempt.task = asyncio.current_task(self._loop)  # without it, each call asks the system for the process
            current_run.set(attempt)
            if attempt.canceling:  # told before there was a task to cancel
                attempt.task.cancel()
            await self._perform(attempt)
            if attempt.given_up:
                return
            self._host.ended(attempt)
            attempt.task = None  # whose context refers to the attempt: a circle, which the collector would have to find
            if attempt.unwritten:
                return
        following = self._host.next_for(self, is_async=True)
        if following is not None:
            self._start(following)

    async def _perform(self, attempt: Attempt) -> None:
        calls = calls_of(attempt)
        for call in calls:
            step = Step(attempt, call, call is not calls[-1])
            if step.may_begin():
                try:
                    args, kwargs = step.decode()
                    outcome = step.returned(await step.task.function(*args, **kwargs))
                except BaseException as error:
                    outcome = step.raised(error)
            else:
                outcome = step.refused()
            with self._lock:
                attempt.ended = not outcome.more
                if attempt.given_up:
                    return
            self._host.report(attempt, outcome)
            if not outcome.more:
                return

    def _errand(
        self,
        attempt: Attempt,
        coroutine: Coroutine[Any, Any, Any],
        answer: SimpleQueue[tuple[Any, BaseException | None]],
        context: contextvars.Context,
    ) -> None:
        async def errand() -> None:
            try:
                answer.put((await coroutine, None))
            except BaseException as error:
                answer.put((None, error))
            finally:
                attempt.task = None

        attempt.task = self._loop.create_task(errand(), context=context)
        if attempt.canceling:  # told before there was a task to cancel
            attempt.task.cancel()


def _patiently(answer: SimpleQueue[Any]) -> Any:
    while True:
        try:
            return answer.get(timeout=_LOOK_UP)
        except Empty:
            continue


def _cancel(attempt: Attempt) -> None:
    if attempt.task is not None and not attempt.ended:
        attempt.task.cancel()


def _runs(attempt: Attempt) -> bool:
    """Whether code of this coroutine runs at this moment, that is, holds the loop."""
    task = attempt.task  # once: the loop lets go of it meanwhile
    coroutine = task.get_coro() if task is not None else None
    return bool(getattr(coroutine, "cr_running", False))
