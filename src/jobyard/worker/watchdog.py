"""
The thread that looks after the runs of a host: time limits, forced stops, what they have said, and stacks.

It sleeps until the next instant at which one of them is due, and is woken when one becomes due sooner.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Protocol

from jobyard.errors import JobTimeout
from jobyard.model.messages import Abandoned, Ended, Stack, StackTaken, Upstream, Upward
from jobyard.model.traceback import capture, capture_stack, encode
from jobyard.worker.attempt import Attempt
from jobyard.worker.execute import stopped
from jobyard.worker.shop import HostOptions

__all__ = ["Watchdog"]

logger = logging.getLogger("jobyard.worker.watchdog")

_AGAIN = 1.0
"""Seconds after which an interrupt that had no effect is tried again: the code may have swallowed it."""


class Watched(Protocol):
    """The host, as its watchdog sees it."""

    options: HostOptions

    def attempts(self) -> list[Attempt]: ...
    def attempt(self, id: int, epoch: int) -> Attempt | None: ...
    def pace(self, now: float) -> float: ...
    def say_now(self, said: Callable[[], Iterable[Upward]]) -> None: ...
    def drop(self, attempt: Attempt, said: Upstream) -> None: ...


class Watchdog:
    """One thread per host."""

    def __init__(self, host: Watched) -> None:
        self._host = host
        self._next = math.inf
        self._wake = threading.Event()
        self._stopped = False
        self._asked: deque[Stack] = deque()
        self._thread = threading.Thread(target=self._watch, name="jobyard-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def soon(self, when: float) -> None:
        """Look again at this instant (monotonic) at the latest."""
        if when < self._next:
            self._next = when
            self._wake.set()

    def ask(self, request: Stack) -> None:
        """Take the stack of a run."""
        self._asked.append(request)
        self._wake.set()

    def _watch(self) -> None:
        while not self._stopped:
            wait = self._next - monotonic()
            if wait > 0:
                self._wake.wait(None if wait == math.inf else wait)
            # In this order: what becomes due from here on sets the event, and we look again.
            self._wake.clear()
            self._next = math.inf
            try:
                self._next = min(self._look(), self._next)
            except Exception:
                logger.exception("the watchdog stumbled")
                self._next = monotonic() + _AGAIN

    def _look(self) -> float:
        """Do what is due, and return when the next thing is."""
        while self._asked:
            self._answer(self._asked.popleft())
        now = monotonic()
        due = self._host.pace(now)
        for attempt in self._host.attempts():
            if attempt.due() <= now:
                self._tend(attempt, now)
            due = min(due, attempt.due())
        return due

    def _tend(self, attempt: Attempt, now: float) -> None:
        if attempt.flush_at <= now:
            self._host.say_now(attempt.flush)
        if attempt.expired_at() <= now:
            said = attempt.expire(now, attempt.carrier.stack(attempt))
            self._host.say_now(lambda: said)
            attempt.stop("timeout", 0.0)
        if attempt.give_up_at <= now:
            self._give_up(attempt)
        elif attempt.force_at <= now:
            attempt.forced = True
            attempt.force_at = now + _AGAIN
            attempt.carrier.interrupt(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        stack = self._stack(attempt)
        attempt.give_up_at = attempt.force_at = math.inf
        if not attempt.carrier.give_up(attempt):
            return
        ended = stopped(attempt.why)
        error = None
        if ended == Ended.TIMEOUT:
            data = capture(JobTimeout(f"{attempt.late}, and would not stop"))
            error = encode({**data, "frames": stack["frames"]})
        said: Upstream = attempt.flush()
        said.append(Abandoned(*attempt.key, attempt.index, ended, error))
        self._host.drop(attempt, said)

    def _answer(self, request: Stack) -> None:
        attempt = self._host.attempt(request.id, request.epoch)
        stack = {"frames": []} if attempt is None else self._stack(attempt)
        taken = StackTaken(request.request, request.id, request.epoch, encode(stack))
        self._host.say_now(lambda: [taken])

    def _stack(self, attempt: Attempt) -> dict[str, Any]:
        return capture_stack(attempt.carrier.stack(attempt), mask=self._host.options.mask)
