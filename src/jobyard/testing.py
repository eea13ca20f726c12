"""What tests of code that uses jobyard need."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

from jobyard.model.instants import from_micros, to_micros

__all__ = ["Clock"]


class Clock:
    """
    A clock that moves only when told: ``Yard(clock=Clock())``.

    It governs due times, leases, limits of staleness and retention. Timeouts and grace periods keep to real time.

    >>> clock = Clock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance(90)
    >>> clock.now().isoformat()
    '2026-01-01T00:01:30+00:00'
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = Lock()
        self._micros = to_micros(start if start is not None else datetime.now(UTC))
        self._callbacks: tuple[Callable[[], None], ...] = ()

    def now(self) -> datetime:
        return from_micros(self._micros)

    def micros(self) -> int:
        """Now, in microseconds since the epoch."""
        return self._micros

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock and wake the loops of this process."""
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        with self._lock:
            self._micros += step // timedelta(microseconds=1)
        self._wake()

    def set(self, when: datetime) -> None:
        """Move the clock to an aware datetime, also backwards, and wake the loops of this process."""
        with self._lock:
            self._micros = to_micros(when)
        self._wake()

    def subscribe(self, callback: Callable[[], None], *, first: bool = False) -> Callable[[], None]:
        """
        Call *callback* after each move, in the thread that moves, until the returned function is called.

        Those that subscribed as *first* are called before the others.
        """
        with self._lock:
            before, after = ((callback,), ()) if first else ((), (callback,))
            self._callbacks = (*before, *self._callbacks, *after)
        return lambda: self._forget(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks = tuple(other for other in self._callbacks if other is not callback)

    def _wake(self) -> None:
        for callback in self._callbacks:
            callback()
