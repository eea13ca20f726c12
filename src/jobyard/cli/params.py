"""The kinds of values that options take: each a function from the text to the value."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar

import click

from jobyard.model import durations, sizes
from jobyard.model.states import FINAL, Status

__all__ = ["STATUS", "count", "due", "duration", "job_id", "json_value", "named_json", "parent", "past", "size"]

T = TypeVar("T")

_MOST = 2**63 - 1
"""The largest number that databases know."""

STATUS = click.Choice([status.value for status in Status])


def job_id(value: str) -> int:
    """The id of a job, which may or may not exist."""
    if not (value.isascii() and value.isdecimal() and 0 < int(value) <= _MOST):
        _refuse(f"{value!r} is no job's id")
    return int(value)


def count(value: str | int) -> int:
    """How many, from 0."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()):
        _refuse(f"{text!r}: give a whole number from 0")
    return min(int(text), _MOST)


def duration(value: str | float) -> float:
    """Seconds, of ``90``, ``90s``, ``5m``, ``6h`` or ``7d``."""
    return _translated(durations.seconds, value)


def size(value: str | int) -> int:
    """Bytes, of ``1048576``, ``512K``, ``512M`` or ``2G``."""
    return _translated(sizes.size, value)


def due(value: str) -> datetime | timedelta:
    """An instant, or a wait from now, which the clock of the store is to measure."""
    return _instant(value, "a wait like 90s, 5m or 6h")


def past(value: str) -> datetime:
    """An instant, or that of an age."""
    given = _instant(value, "an age like 90s, 6h or 7d")
    return datetime.now(UTC) - given if isinstance(given, timedelta) else given


def json_value(value: str) -> Any:
    """Any value as JSON has it."""
    try:
        return json.loads(value, parse_constant=_refuse_constant)
    except ValueError:
        _refuse(f"{value!r} is no JSON; a text is written with quotes: {json.dumps(value)!r}")


def named_json(value: str) -> tuple[str, Any]:
    """``width=100``: a name and its value."""
    name, sign, text = value.partition("=")
    if not sign or not name:
        _refuse(f"{value!r}: give a name, '=' and a value in JSON, like width=100")
    return name, json_value(text)


def parent(value: str) -> tuple[int, set[str]]:
    """``12`` or ``12:succeeded,failed``: a job, and the ends of it that are waited for."""
    id, _, statuses = value.partition(":")
    ends = {status for status in statuses.split(",") if status} or {"succeeded", "skipped"}
    if not ends <= FINAL:
        final = ", ".join(status for status in Status if status in FINAL)
        _refuse(f"{value!r}: give the id of a job, or 12:succeeded,failed with ends out of {final}")
    return job_id(id), ends


def _instant(value: str, otherwise: str) -> datetime | timedelta:
    """A time without a zone is local, and one without hours is midnight."""
    try:
        return timedelta(seconds=durations.seconds(value))
    except ValueError:
        pass  # no duration
    try:
        return datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError):
        _refuse(f"{value!r} is neither a time like 2025-11-03T09:30 nor {otherwise}")


def _translated(read: Callable[[Any, str], T], value: Any) -> T:
    try:
        return read(int(value) if isinstance(value, str) and value.isdecimal() else value, "value")
    except ValueError as error:
        _refuse(str(error).removeprefix(f"value={value!r}: "))


def _refuse(text: str) -> NoReturn:
    raise click.BadParameter(text)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
