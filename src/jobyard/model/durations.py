"""Durations as users write them."""

from __future__ import annotations

import math
import re
from datetime import timedelta

__all__ = ["LONGEST", "micros", "seconds", "text"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=36_500)
"""More no clock of ours counts: neither an instant in microseconds nor what a thread waits for."""
_LONGEST = LONGEST.total_seconds()
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


def seconds(value: object, name: str = "duration") -> float:
    """
    A duration in seconds, from a number of seconds, a timedelta, or a text like ``90s``, ``5m``, ``6h``, ``7d``.

    Raises:
        ValueError: naming *name*, for anything else, and for one that is negative or longer than `LONGEST`.
    """
    result = math.nan
    if isinstance(value, timedelta):
        result = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        result = float(value) if abs(value) <= _LONGEST else math.inf
    elif isinstance(value, str) and (found := _TEXT.fullmatch(value.strip())):
        result = float(found[1]) * _UNITS.get(found[2], 1)
    if not 0 <= result <= _LONGEST:
        msg = f"{name}={value!r}: give seconds, a timedelta, or a text like '90s', '5m', '6h' or '7d' (at most 36500d)"
        raise ValueError(msg)
    return result


def text(length: float) -> str:
    """Seconds in the form in which users write them: ``7d``, ``5m``, ``90s``, ``0.5s``."""
    for unit in ("d", "h", "m"):
        if length >= _UNITS[unit] and length % _UNITS[unit] == 0:
            return f"{length / _UNITS[unit]:.0f}{unit}"
    return f"{int(length) if length == int(length) else length}s"


def micros(value: object, name: str = "duration") -> int:
    """The same in whole microseconds."""
    return round(seconds(value, name) * 1_000_000)
