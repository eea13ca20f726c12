"""How a worker comes to its end: its jobs may end, then they are canceled, then they are given up."""

from __future__ import annotations

import time

__all__ = ["Stop"]

_GIVE_UP = 7.0
"""Seconds after the forced stop of all runs in which each of them ends or is given up."""


class Stop:
    """
    What a worker has been told, and what follows when.

    Args:
        shutdown_grace: seconds in which its jobs may end.
        cancel_grace: seconds in which a canceled job may end by itself, unless it was told to stop at once.
    """

    def __init__(self, *, shutdown_grace: float, cancel_grace: float) -> None:
        self.told = 0
        """How often it was told: 1 lets jobs end, 2 does not."""
        self._shutdown_grace = shutdown_grace
        self._cancel_grace = cancel_grace
        self._cancel_at = self._over_at = float("inf")
        self._canceled = False

    def tell(self, count: int) -> None:
        """It is told to stop, for the *count*-th time by whoever says so. From a signal handler, too."""
        self.told = max(self.told, count)
        if count == 1:
            self._cancel_at = time.monotonic() + self._shutdown_grace

    def cancels(self) -> float | None:
        """Once, when it is time to cancel all runs: the grace that they have; else None."""
        now = time.monotonic()
        if self._canceled or (now < self._cancel_at and self.told < 2):
            return None
        self._canceled = True
        self._over_at = now + self._cancel_grace + _GIVE_UP
        return self._cancel_grace if self.told < 2 else 0.0

    @property
    def is_over(self) -> bool:
        """Whether to wait for no run any longer."""
        return time.monotonic() >= self._over_at
