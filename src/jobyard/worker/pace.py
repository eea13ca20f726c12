"""How much a worker claims ahead of its free slots: about 50 ms of work, and nothing behind slow jobs."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Pace"]

_WORK_AHEAD = 0.05
_MOST_AHEAD = 2000
_WEIGHT = 0.2
"""Of the newest duration in the moving average."""
_MOMENT = 0.001
"""Seconds: about what a turn of the claimer takes at least."""
_HOLD = 1.0
"""Seconds without claiming ahead after jobs that were had to go back."""


class Pace:
    """The measured durations of tasks, as moving averages, and what follows from them."""

    def __init__(self) -> None:
        self._durations: dict[str, float] = {}
        self._held_until = 0.0

    def ended(self, task: str, seconds: float) -> None:
        """An attempt of *task* took this long."""
        before = self._durations.get(task)
        self._durations[task] = seconds if before is None else before + _WEIGHT * (seconds - before)

    def hold(self, now: float) -> None:
        """Claim nothing ahead for a while."""
        self._held_until = now + _HOLD

    def ahead(self, tasks: Iterable[str], slots: int, now: float) -> int:
        """
        How many jobs may wait for a slot here, when those of *tasks* were the last to be claimed.

        The slowest task decides.
        """
        if now < self._held_until:
            return 0
        return min(_MOST_AHEAD, int(_WORK_AHEAD / max(self._slowest(tasks), 1e-6)) * slots)

    def is_quick(self, tasks: Iterable[str], slots: int) -> bool:
        """Whether all slots are done with a job of these tasks within a moment, one after another if need be."""
        return self._slowest(tasks) * slots < _MOMENT

    def _slowest(self, tasks: Iterable[str]) -> float:
        """Seconds that the slowest of these tasks takes; one that was never measured counts as slow."""
        return max((self._durations.get(task, _WORK_AHEAD * 2) for task in tasks), default=_WORK_AHEAD * 2)
