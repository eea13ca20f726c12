"""Amounts of memory as users write them."""

from __future__ import annotations

import re

__all__ = ["size"]

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def size(value: object, name: str = "size") -> int:
    """
    A size in bytes, from a number of bytes or a text like ``512K``, ``512M``, ``2G`` (powers of 1024).

    Raises:
        ValueError: naming *name*, for anything else, and for nothing at all.
    """
    result = 0
    if isinstance(value, int) and not isinstance(value, bool):
        result = value
    elif isinstance(value, str) and (found := _TEXT.fullmatch(value.strip())):
        result = round(float(found[1]) * _UNITS[found[2].lower()])
    if result <= 0:
        msg = f"{name}={value!r}: give a number of bytes, or a text like '512M' or '2G'"
        raise ValueError(msg)
    return result
