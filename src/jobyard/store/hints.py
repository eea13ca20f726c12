"""
Where claims begin to look while a held snapshot keeps dead rows at the head of the index.

A database that cannot remove what was claimed before (an open transaction elsewhere, a dump) has every claim step over
it. When a look from the start was slow, the next ones begin behind the last row that was claimed; after ten times as
long as that look took, or when they find too little, one looks from the start again. So a more urgent job that comes
meanwhile waits for a moment, and only then: otherwise there is no hint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["START", "Hints", "Place"]

_SLOW = 0.02
"""Seconds that a look from the start may take."""
_SLOW_ROW = 0.00005
"""And for each row that it finds."""
_TIMES = 10
_LONGEST = 5.0


class Place(NamedTuple):
    """A place in the claim order of a queue."""

    rank: int
    id: int


START = Place(-(2**63), 0)


class Hints:
    """The hints of one process, by queue (and by what else narrows a claim)."""

    def __init__(self) -> None:
        self._hints: dict[tuple[str, str], tuple[Place, float]] = {}

    def place(self, key: tuple[str, str], now: float) -> Place:
        """Where to begin; *now* is in monotonic seconds."""
        place, until = self._hints.get(key, (START, 0.0))
        return place if now < until else START

    def looked(self, key: tuple[str, str], begun: Place, found: Sequence[Place], now: float, seconds: float) -> None:
        """Learn from a look that began at a place, found these in order, and took so long."""
        if begun != START and found:
            self._hints[key] = (found[-1], self._hints[key][1])
        elif begun == START and found and seconds > _SLOW + _SLOW_ROW * len(found):
            self._hints[key] = (found[-1], now + min(_TIMES * seconds, _LONGEST))
        else:
            self._hints.pop(key, None)
