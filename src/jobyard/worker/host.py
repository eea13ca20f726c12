"""
The host of running jobs: it runs what the claimer hands it, in threads and on an event loop.

Rule 1: a host knows no store. It is given messages (`run`, `tell`) and gives messages (`send`).
Rule 2: every run it was given ends in exactly one message: its last `Outcome`, or `Abandoned`; save those taken back.
Rule 3: whether a run begins is decided by one pop of one dictionary: by a slot, by a cancel or by `take_back`.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from jobyard.context import Link
from jobyard.model.codec import Codec
from jobyard.model.messages import (
    Cancel,
    Downstream,
    NotBegun,
    Outcome,
    Reply,
    Run,
    Stack,
    Stop,
    TakeBack,
    Upstream,
    Upward,
    Written,
)
from jobyard.worker.attempt import Attempt, Carrier, Key
from jobyard.worker.calls import Calls
from jobyard.worker.capture import Capture
from jobyard.worker.execute import stopped
from jobyard.worker.shop import HostOptions, RunTask, Workshop
from jobyard.worker.slots import Loop, ThreadSlot
from jobyard.worker.watchdog import Watchdog

__all__ = ["Host"]

_FLUSH_AFTER = 0.0025
"""Seconds that an outcome waits for others while there is more to run."""
_PACE = 0.002
"""Seconds between two looks at a line that is longer than the free slots."""
_SHORT = 10
"""A slot that begins more runs between two looks has so short ones that another thread would only be in its way."""


class Host:
    """
    Runs jobs in this process.

    Args:
        tasks: what it can run, by name; see `execute.RunTask`.
        slots: how many runs at a time, coroutines included.
        send: takes what the runs say. Called from their threads, in order for each run; it must be quick.
        codec: of arguments and results.
        link: what running code needs of the yard.
        options: settings.
    """

    is_here = True

    def __init__(
        self,
        tasks: Mapping[str, RunTask],
        *,
        slots: int,
        send: Callable[[Upstream], None],
        codec: Codec,
        link: Link,
        options: HostOptions | None = None,
    ) -> None:
        self.options = options or HostOptions()
        self.send = send
        self.context = contextvars.copy_context()
        self.shop = Workshop(tasks, codec, link, self.options, Calls(send))
        self.slots = slots
        self.abandoned = 0
        """Threads and coroutines that were given up so far."""
        self._watchdog = Watchdog(self)
        prints = any(task.log_prints for task in tasks.values())
        self._capture = Capture(self.shop, self.options.log_level, _print_logger if prints else None)
        self._line: deque[Run] = deque()
        self._waiting: dict[Key, Run] = {}
        self._running: dict[Key, Attempt] = {}
        self._unwritten: dict[Key, Carrier] = {}
        """The carriers that wait until an outcome is stored."""
        self._lock = threading.Lock()
        self._active = 0
        self._idle: list[ThreadSlot] = []
        self._threads = 0
        self._loop: Loop | None = None
        self.done = threading.Event()
        """Told to stop, and the last run has ended."""
        self._out: deque[Upward] = deque()
        self._out_lock = threading.Lock()
        self._flushed = 0.0
        self._pacing = False
        self._begun = 0
        self._begun_before = 0
        self._stopping = False

    # What the claimer calls, from any thread.

    def start(self) -> None:
        """Begin to capture logs and to watch. Threads are started when there is work for them."""
        self._capture.install()
        self._watchdog.start()

    def run(self, runs: list[Run]) -> None:
        """Run these jobs, in order, as slots are free."""
        for run in runs:
            self._waiting[run.row.id, run.row.epoch] = run
        if not self._line:
            self._flushed = monotonic()  # what ends first may wait for others from now on
        self._line.extend(runs)
        self._dispatch()

    def tell(self, messages: Downstream) -> None:
        """Act on what the claimer says."""
        for message in messages:
            if isinstance(message, Run):
                self.run([message])
            elif isinstance(message, Cancel):
                self._cancel(message)
            elif isinstance(message, Stack):
                self._watchdog.ask(message)
            elif isinstance(message, Reply):
                self.shop.calls.answer(message)
            elif isinstance(message, TakeBack):
                self.send([NotBegun(*key) for key in self.take_back(message.keys)])
            elif isinstance(message, Written):
                self._written((message.id, message.epoch))
            elif isinstance(message, Stop):
                self.stop()

    def begun(self, id: int, epoch: int) -> bool:
        """Whether the run is in a slot now."""
        return (id, epoch) in self._running and (id, epoch) not in self._waiting

    def take_back(self, keys: Iterable[Key] | None = None) -> list[Key]:
        """Those of these runs (None: of all) that have not begun: from now on they never will."""
        return [key for key in (list(self._waiting) if keys is None else keys) if self._waiting.pop(key, None)]

    @property
    def busy(self) -> int:
        """The runs that have begun and not ended."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """The runs that wait for a slot."""
        return len(self._waiting)

    def stop(self) -> None:
        """Let what runs come to its end, and end the threads then. Whatever waits is left alone: take it back first."""
        with self._lock:
            self._stopping = True
            idle, self._idle = self._idle, []
        for slot in idle:
            slot.hand(None)
        self._close_if_done()

    def leave(self) -> None:
        """The worker ends: what still runs is left to itself, and its logs are no longer captured."""
        self._capture.uninstall()

    # What the carriers call.

    def begin(self, run: Run, carrier: Carrier) -> Attempt | None:
        """The run begins, unless it was taken back or canceled while it waited."""
        attempt = Attempt(run, carrier, self.shop, self._watchdog)
        key = run.row.id, run.row.epoch
        # Before it leaves the waiting: a cancel finds it in one of both at any moment.
        self._running[key] = attempt
        if self._waiting.pop(key, None) is not run:
            self._running.pop(key)
            return None
        self._begun += 1
        if run.timeout is not None or run.heartbeat_timeout is not None:
            self._set_limits(attempt)
        return attempt

    def report(self, attempt: Attempt, outcome: Outcome) -> None:
        """An op of the run has ended."""
        if attempt.run.sync and not outcome.more and attempt.why != "lost":
            attempt.unwritten = outcome.awaited = True
            self._unwritten[attempt.key] = attempt.carrier
        if attempt.spoke or attempt.result_status is not None:
            with self._out_lock:  # the watchdog may be about to write its lines: never after the outcome
                self._out.extend(attempt.close(outcome))
                self._out.append(outcome)
        else:
            self._out.append(outcome)
        if attempt.unwritten or not self._line or monotonic() - self._flushed > _FLUSH_AFTER:
            self.flush()

    def say(self, message: Upward) -> None:
        """Send this with the next outcome, before it."""
        self._out.append(message)

    def say_now(self, said: Callable[[], Iterable[Upward]]) -> None:
        """Send what this gives, in order with the outcomes."""
        with self._out_lock:
            self._out.extend(said())
        self.flush()

    def ended(self, attempt: Attempt) -> None:
        """The run has come to its end."""
        del self._running[attempt.key]

    def next_for(self, carrier: ThreadSlot | Loop, *, is_async: bool) -> Run | None:
        """The next run for a carrier that has ended one; None: it has given its permit back, or passed it on."""
        try:
            run = self._line.popleft()
        except IndexError:
            self._release(carrier)
            return None
        if self._is_async(run) is is_async:
            return run
        if isinstance(carrier, ThreadSlot):
            with self._lock:
                self._park(carrier)
        self._start([run])
        return None

    def flush(self) -> None:
        """Send what has come together."""
        with self._out_lock:  # two at a time would mix up the order
            count = len(self._out)
            if count:
                self._flushed = monotonic()
                self.send([self._out.popleft() for _ in range(count)])

    @property
    def loop(self) -> Loop:
        """The event loop, started when it is first needed."""
        with self._lock:
            if self._loop is None:
                self._loop = Loop(self)
            return self._loop

    def replace(self, loop: Loop) -> None:
        """Go on without a loop that is held by code that would not end."""
        with self._lock:
            if self._loop is loop:
                self._loop = None
        if left := loop.leave():
            self.loop.post(left)

    # What the watchdog calls.

    def attempts(self) -> list[Attempt]:
        return list(self._running.values())

    def attempt(self, id: int, epoch: int) -> Attempt | None:
        return self._running.get((id, epoch))

    def drop(self, attempt: Attempt, said: Upstream) -> None:
        """Go on without a run that would not end: its slot gets a new thread."""
        self.abandoned += 1
        self._running.pop(attempt.key, None)
        self.say_now(lambda: said)
        with self._lock:
            self._active -= 1
        self._dispatch()

    def pace(self, now: float) -> float:
        """
        Start more slots if the line does not move by itself, and return when to look again.

        Many short jobs are done soonest by one thread: several would only hand the interpreter to each other. So a
        line that is longer than the free slots is left to the active ones, as long as they get on with it.
        """
        if not self._pacing:
            return math.inf
        short = self._begun - self._begun_before > _SHORT * self._active
        self._begun_before = self._begun
        if self._line and not short:
            self._dispatch(eager=True)
        if self._out and now - self._flushed > _FLUSH_AFTER:
            self.flush()
        with self._lock:
            self._pacing = bool(self._line or self._out)
        return now + _PACE if self._pacing else math.inf

    def _dispatch(self, *, eager: bool = False) -> None:
        with self._lock:
            free = self.slots - self._active
            count = min(len(self._line), free)
            if len(self._line) > free and not eager and not self._coroutines_next():
                # More than there are slots for was claimed ahead, as is done for short jobs only. Threads would hand
                # the interpreter to each other; coroutines do not, and share a look of their loop at the system.
                count = 0 if self._active else 1
            runs = self._pop(count)
            self._active += len(runs)
            pace = bool(self._line) and not self._pacing
            self._pacing = self._pacing or pace
        if runs:
            self._start(runs)
        if pace:
            self._watchdog.soon(monotonic() + _PACE)

    def _coroutines_next(self) -> bool:
        try:
            return self._is_async(self._line[0])
        except IndexError:  # the slots help themselves meanwhile
            return False

    def _pop(self, count: int) -> list[Run]:
        runs: list[Run] = []
        try:
            while len(runs) < count:
                runs.append(self._line.popleft())
        except IndexError:
            pass  # the slots help themselves meanwhile
        return runs

    def _start(self, runs: list[Run]) -> None:
        """Hand these runs to carriers. Each has its permit."""
        coroutines = [run for run in runs if self._is_async(run)]
        for run in runs:
            if not self._is_async(run):
                self._thread().hand(run)
        if coroutines:
            self.loop.post(coroutines)

    def _thread(self) -> ThreadSlot:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._threads += 1
        slot = ThreadSlot(self, self._threads)
        slot.thread.start()
        return slot

    def _release(self, carrier: ThreadSlot | Loop) -> None:
        with self._lock:
            self._active -= 1
            if isinstance(carrier, ThreadSlot):
                self._park(carrier)
        if self._line:
            self._dispatch()
        if self._stopping:
            self._close_if_done()

    def _park(self, slot: ThreadSlot) -> None:
        if self._stopping:
            slot.hand(None)
        else:
            self._idle.append(slot)

    def _is_async(self, run: Run) -> bool:
        tasks = self.shop.tasks
        if run.calls is None:
            task = tasks.get(run.row.task)
            return task is not None and task.is_async
        return all(call.task in tasks and tasks[call.task].is_async for call in run.calls)

    def _written(self, key: Key) -> None:
        carrier = self._unwritten.pop(key, None)
        if isinstance(carrier, ThreadSlot):
            if (run := self.next_for(carrier, is_async=False)) is not None:
                carrier.hand(run)
        elif isinstance(carrier, Loop) and (run := self.next_for(carrier, is_async=True)) is not None:
            carrier.post([run])

    def _set_limits(self, attempt: Attempt) -> None:
        now = monotonic()
        attempt.beaten_at = now
        if attempt.run.timeout is not None:
            attempt.deadline = now + attempt.run.timeout
        self._watchdog.soon(attempt.due())

    def _cancel(self, cancel: Cancel) -> None:
        key = cancel.id, cancel.epoch
        run = self._waiting.pop(key, None)
        if run is not None:
            self._out.append(Outcome(*key, run.row.cursor, stopped(cancel.why)))
            self.flush()
        elif (attempt := self._running.get(key)) is not None:
            attempt.stop(cancel.why, cancel.grace)
        if cancel.why == "lost":
            self._written(key)  # it never will be
            self.shop.calls.refuse(key)

    def _close_if_done(self) -> None:
        with self._lock:
            if self._active or not self._stopping:
                return
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()
        self._capture.uninstall()
        self._watchdog.stop()
        self.done.set()


def _print_logger(attempt: Attempt) -> str | None:
    return "print" if attempt.prints_are_logged() else None
