"""
What the values of options may be.

Each check takes a value and the name of its option, and gives the value in the one form that is kept, or raises
`BadArguments` with the name, the value and what to write instead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

from jobyard.errors import BadArguments
from jobyard.model.durations import LONGEST, micros, seconds
from jobyard.model.job import Job
from jobyard.model.newjob import SUCCESS, accepted_bits
from jobyard.model.references import Reference
from jobyard.model.retry import Retry
from jobyard.model.sizes import size
from jobyard.model.text import escape

__all__ = [
    "LEAST_URGENT",
    "MOST_URGENT",
    "ack",
    "after",
    "cron",
    "due",
    "duration",
    "exceptions",
    "expires",
    "flag",
    "isolation",
    "job_number",
    "key",
    "memory",
    "name",
    "names",
    "positive_duration",
    "priority",
    "resources",
    "retry",
    "timezone",
    "title",
    "unique",
    "unique_for",
]

T = TypeVar("T")

MOST_URGENT, LEAST_URGENT = -20, 19

_LONGEST_NAME = 100
_LONGEST_KEY = 1000
_DEFAULT_ATTEMPTS = 10
_UNPRINTABLE = frozenset({"Cc", "Cs"})
"""Control characters and lone surrogates."""


def _refuse(value: object, option: str, advice: str) -> NoReturn:
    msg = f"{option}={value!r}: {advice}"
    raise BadArguments(msg)


def _text(value: Any, option: str, limit: int) -> str:
    if not isinstance(value, str) or not value or len(value) > limit:
        _refuse(value, option, f"give a text of 1 to {limit} characters")
    if not value.isascii() or not value.isprintable():
        bad = next((c for c in value if unicodedata.category(c) in _UNPRINTABLE), None)
        if bad is not None:
            _refuse(value, option, f"the character {bad!r} has no place in it")
    return value


def name(value: Any, option: str) -> str:
    """The name of a task or queue."""
    return _text(value, option, _LONGEST_NAME)


def key(value: Any, option: str) -> str:
    """A text by which something is found again: a unique key, a token, a requester."""
    return _text(value, option, _LONGEST_KEY)


def names(value: Any, option: str) -> tuple[str, ...]:
    """Several names."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        _refuse(value, option, "give a list of names")
    return tuple(name(each, option) for each in value)


def title(value: Any, option: str) -> str:
    """Free text for people."""
    if not isinstance(value, str):
        _refuse(value, option, "give a text")
    return escape(value)


def flag(value: Any, option: str) -> bool:
    """True or False and nothing that looks like it."""
    if not isinstance(value, bool):
        _refuse(value, option, "give True or False")
    return value


def priority(value: Any, option: str) -> int:
    """From the most urgent to the least."""
    if isinstance(value, bool) or not isinstance(value, int) or not MOST_URGENT <= value <= LEAST_URGENT:
        _refuse(value, option, f"give a whole number from {MOST_URGENT} (most urgent) to {LEAST_URGENT}")
    return int(value)


def retry(value: Any, option: str) -> Retry:
    """A `Retry` as it is, a number of attempts, or True for ten."""
    if isinstance(value, Retry):
        return value
    if value is True:
        return Retry(_DEFAULT_ATTEMPTS)
    if value is False or not isinstance(value, int) or value < 1:
        _refuse(value, option, "give the number of attempts in all (from 1), True for 10, or a Retry(...)")
    return Retry(value)


def duration(value: Any, option: str) -> float:
    """Seconds, from all that `durations.seconds` takes."""
    return _translated(seconds, value, option)


def positive_duration(value: Any, option: str) -> float:
    """The same, and not nothing, as it is counted: in microseconds."""
    length = duration(value, option)
    if round(length * 1_000_000) == 0:
        _refuse(value, option, "give at least a microsecond")
    return length


def expires(value: Any, option: str) -> int:
    """Microseconds."""
    return _translated(micros, value, option)


def memory(value: Any, option: str) -> int:
    """Bytes."""
    return _translated(size, value, option)


def _translated(convert: Callable[[object, str], T], value: object, option: str) -> T:
    try:
        return convert(value, option)
    except ValueError as error:
        raise BadArguments(*error.args) from None


def isolation(value: Any, option: str) -> str:
    """Where the code runs; a thread or the event loop is not said but None."""
    if value != "process":
        _refuse(value, option, "give 'process' for a child process, or None for a thread or the event loop")
    return str(value)


def ack(value: Any, option: str) -> str:
    """When an outcome is written."""
    if value not in ("batch", "sync"):
        _refuse(value, option, "give 'batch' or 'sync'")
    return str(value)


def unique(value: Any, option: str) -> bool | str | Callable[..., object]:
    """What the unique key is made of."""
    if isinstance(value, str):
        return key(value, option)
    if not isinstance(value, bool) and not callable(value):
        _refuse(value, option, "give True (task and arguments), a text, or a callable of the arguments")
    return value  # type: ignore[no-any-return]  # narrowed by callable() to what it was


def unique_for(value: Any, option: str) -> str | float:
    """How long the key holds: until an event, or seconds."""
    if value in ("finish", "start"):
        return str(value)
    return positive_duration(value, option)


def due(value: Any, option: str) -> datetime | timedelta:
    """An instant without a doubt, or a wait."""
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value
    if isinstance(value, timedelta) and timedelta(0) <= value <= LONGEST:
        return value
    advice = "give a datetime with a time zone, such as datetime.now(UTC) + timedelta(hours=1), or a timedelta from now"
    _refuse(value, option, advice)


def job_number(value: Any, option: str) -> int:
    """The id of a `Job`, an id, or -n for the n-th before it in a batch."""
    given = value.as_retval().job if isinstance(value, Reference) else value
    number = given.id if isinstance(given, Job) else given
    if isinstance(number, bool) or not isinstance(number, int) or number == 0:
        _refuse(value, option, "give jobs, their ids, or -n for the n-th job before it in a batch")
    return number


def after(value: Any, option: str) -> tuple[tuple[int, int], ...]:
    """Pairs of a job's id (or -n) and the final statuses that let this job go on, as bits."""
    if isinstance(value, Mapping):
        return tuple((job_number(job, option), _accepted(statuses, option)) for job, statuses in value.items())
    if isinstance(value, str) or not isinstance(value, Iterable):
        _refuse(value, option, "give a list of jobs, or a mapping of jobs to sets of final statuses")
    return tuple((job_number(job, option), SUCCESS) for job in value)


def _accepted(statuses: Any, option: str) -> int:
    if isinstance(statuses, str) or not isinstance(statuses, Iterable):
        _refuse(statuses, option, "give a set of final statuses for each job, such as {'succeeded', 'failed'}")
    try:
        return accepted_bits(statuses)
    except ValueError as error:
        _refuse(statuses, option, str(error))


def exceptions(value: Any, option: str) -> tuple[type[BaseException], ...]:
    """Classes of exceptions."""
    classes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    for each in classes:
        if not isinstance(each, type) or not issubclass(each, BaseException):
            _refuse(each, option, "give classes of exceptions")
    return classes


def resources(value: Any, option: str) -> tuple[tuple[str, int], ...]:
    """Pairs of a resource's name and how much of it an op holds."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        _refuse(value, option, "give a list of names, or a mapping of names to amounts")
    amounts = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, 1)
    for amount in amounts.values():
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            _refuse(value, option, "an amount is a whole number from 1")
    return tuple((name(each, option), amount) for each, amount in amounts.items())


def cron(value: Any, option: str) -> str:
    """A cron expression of five fields (or six, with seconds)."""
    from cronsim import CronSim, CronSimError  # only those who use cron wait for its import

    try:
        CronSim(value, datetime(2000, 1, 1))
    except (CronSimError, AttributeError, TypeError) as error:
        _refuse(value, option, f"this is no cron expression ({error})")
    return str(value)


def timezone(value: Any, option: str) -> str:
    """The name of a time zone, as the tz database has it."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # slow to import, and seldom needed

    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        _refuse(value, option, "there is no such time zone; give a name like 'Europe/Berlin'")
