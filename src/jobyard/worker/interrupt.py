"""
How a run that does not stop by itself is stopped from outside: an exception raised in its thread.

Rule 1: an interrupt is aimed at one run. Aiming and the end of the run share a lock, and what comes late is swallowed.
Rule 2: it is a BaseException, and cannot interrupt a blocking C call: it is raised when that returns.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Protocol

__all__ = ["Aim", "Interrupted", "MainAim", "Target"]


class Interrupted(BaseException):
    """The run is to end now: it was canceled, ran out of time, or its worker stops."""


class Target(Protocol):
    """What an interrupt is aimed at."""

    forced: bool
    """It is to be stopped by force."""

    def struck(self, frame: FrameType | None) -> None:
        """A signal has reached its thread there; an interrupt follows."""


class Aim:
    """The run that a thread is working on, as far as interrupts are concerned. Made in that thread."""

    def __init__(self) -> None:
        self.ident = threading.get_ident()
        self._lock = threading.Lock()
        self._target: Target | None = None
        self._fired = False
        self.given_up = False

    def arm(self, target: Target) -> None:
        """From here on interrupts of *target* reach this thread. Called by the thread."""
        self._target = target
        if target.forced:  # it came just before
            raise Interrupted

    def disarm(self) -> None:
        """From here on none does, also none that is on its way. Called by the thread, any number of times."""
        while True:
            try:
                with self._lock:
                    self._target = None
                if self._fired:
                    self._clear()
                    self._fired = False
                return
            except Interrupted:
                continue  # it came on the last steps of the run, which is over

    def fire(self, target: Target) -> bool:
        """Raise `Interrupted` in the thread if it works on *target*."""
        with self._lock:
            if self._target is not target:
                return False
            self._fired = True
            self._strike()
            return True

    def give_up(self, target: Target) -> bool:
        """Stop aiming at *target*, which would not end; False if it has ended meanwhile."""
        with self._lock:
            if self._target is not target:
                return False
            self._target = None
            self.given_up = True
            return True

    @staticmethod
    def raise_in(ident: int) -> None:
        """Raise `Interrupted` in a thread, whatever it works on."""
        _set_async_exception(ident, Interrupted)

    def _strike(self) -> None:
        _set_async_exception(self.ident, Interrupted)

    def _clear(self) -> None:
        _set_async_exception(self.ident, None)


class MainAim(Aim):
    """
    The same for the main thread of a child process, by SIGINT, which also ends a sleep or a wait at once.

    The parent sends the signal too: then the code that looks for signals while it holds the interpreter (a regular
    expression, a power of large numbers) is interrupted where no other thread could run.
    """

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGINT, self._on_signal)

    def _strike(self) -> None:
        signal.pthread_kill(self.ident, signal.SIGINT)

    def _clear(self) -> None:
        """Python runs the handler before the next step of this thread, and the handler looks at the target."""

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if (target := self._target) is not None:
            target.struck(frame)
            raise Interrupted


def _set_async_exception(ident: int, exception: type[BaseException] | None) -> None:
    import ctypes  # it takes as long as the rest of the worker's imports, and is rarely needed

    kind = ctypes.py_object() if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), kind)
