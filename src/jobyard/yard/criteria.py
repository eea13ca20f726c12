"""What callers of the listings give, in the form that the store takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from jobyard.errors import BadArguments
from jobyard.model.instants import to_micros
from jobyard.model.standalone import check_status
from jobyard.model.states import STATUSES, Status

__all__ = ["group", "instant", "limit", "several", "statuses"]


def limit(given: int | None) -> int | None:
    """At most how many; None for all."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 0):
        msg = f"limit={given!r}: give the most that may come back, or None for all"
        raise BadArguments(msg)
    return given


def statuses(given: Status | str | Collection[Status | str] | None) -> tuple[Status, ...] | None:
    if given is None:
        return None
    return tuple(check_status(each) for each in ([given] if isinstance(given, str) else given))


def several(names: str | Collection[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return (names,) if isinstance(names, str) else tuple(names)


def instant(instant: datetime | None, name: str) -> int | None:
    if instant is None:
        return None
    try:
        return to_micros(instant)
    except (ValueError, AttributeError, TypeError) as error:
        msg = f"{name}: {error}"
        raise BadArguments(msg) from error


def group(names: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(STATUSES[value] if name == "status" else value for name, value in zip(names, values, strict=True))
