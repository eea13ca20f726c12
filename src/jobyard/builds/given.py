"""What callers give, in the form that the store takes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from jobyard.errors import BadArguments
from jobyard.model.durations import seconds
from jobyard.model.instants import to_micros
from jobyard.model.logline import HIGHEST_LEVEL
from jobyard.model.messages import ProgressReport
from jobyard.model.progress import Group, ProgressBook, join_group, split_group
from jobyard.model.states import Status
from jobyard.model.traceback import RemoteError
from jobyard.task import checks

__all__ = ["age", "configs", "final_status", "instant", "level", "limit", "number", "report"]

_LONGEST_GROUP = 128


def number(build_id: Any) -> int:
    """The id of a build."""
    if isinstance(build_id, bool) or not isinstance(build_id, int):
        msg = f"build_id={build_id!r}: the id of a build is a whole number"
        raise BadArguments(msg)
    return build_id


def limit(value: Any) -> int | None:
    """How many at most."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        msg = f"limit={value!r}: give how many builds at most, or None for all"
        raise BadArguments(msg)
    return value


def instant(value: datetime | None, name: str) -> int | None:
    """An instant without a doubt."""
    try:
        return None if value is None else to_micros(value)
    except (ValueError, AttributeError, TypeError) as error:
        msg = f"{name}: {error}"
        raise BadArguments(msg) from None


def level(value: Any, name: str) -> int | None:
    """A level of `logging`, or its name."""
    found = logging.getLevelNamesMapping().get(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | None) or (found is None and value is not None):
        msg = f"{name}={value!r}: give a level of logging, as a number or by its name"
        raise BadArguments(msg)
    return None if found is None else max(-HIGHEST_LEVEL, min(found, HIGHEST_LEVEL))


def age(value: Any) -> int | None:
    """Microseconds; 0 for any age."""
    try:
        return None if value is None else round(seconds(value, "max_age") * 1_000_000)
    except ValueError as error:
        raise BadArguments(*error.args) from None


def configs(
    config: Mapping[str, Any] | None, job_config: Mapping[str, Any] | None, build_config: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """What is built, if that was said, and what is said of the one build."""
    if config is not None and job_config is not None:
        msg = "config and job_config: give one of them, they mean the same"
        raise BadArguments(msg)
    job = _mapping(config, "config") if job_config is None else _mapping(job_config, "job_config")
    return job, _mapping(build_config, "build_config") or {}


def final_status(
    success: bool | None,
    skipped: bool | None,
    retval: Any,
    exception: BaseException | None,
    exception_tb: TracebackType | RemoteError | None,
) -> Status:
    """
    What a build becomes of which this is said.

    Raises:
        BadArguments: it contradicts itself.
    """
    _check_error(exception, exception_tb)
    skip = skipped is not None and checks.flag(skipped, "skipped")
    good = exception is None if success is None else checks.flag(success, "success")
    if exception is not None and (good or skip):
        raise _contradiction("a build with an exception is neither successful nor skipped")
    if skip and not good:
        raise _contradiction("a skipped build counts as a success")
    if retval is not None and (skip or not good):
        raise _contradiction("only a build that succeeded has a result")
    return Status.SKIPPED if skip else Status.SUCCEEDED if good else Status.FAILED


def report(current: float, total: float, group_name: Group | None, status_line: str) -> list[ProgressReport]:
    """
    One report of progress.

    Raises:
        BadArguments: naming the parameter.
    """
    path = split_group(group_name) if isinstance(group_name, str) else group_name or ()
    book = ProgressBook()
    book.report(current, total, path, status_line)
    found = book.take(0.0)
    if len(join_group(found[0].group)) > _LONGEST_GROUP:
        msg = f"group_name={group_name!r}: at most {_LONGEST_GROUP} characters in all"
        raise BadArguments(msg)
    return found


def _mapping(config: Any, name: str) -> Mapping[str, Any] | None:
    if config is not None and not (isinstance(config, Mapping) and all(isinstance(key, str) for key in config)):
        msg = f"{name}={config!r}: give a mapping of keys to values"
        raise BadArguments(msg)
    return config


def _check_error(exception: Any, traceback: Any) -> None:
    if exception is not None and not isinstance(exception, BaseException):
        msg = f"exception={exception!r}: give an exception"
        raise BadArguments(msg)
    if traceback is not None and not isinstance(traceback, TracebackType | RemoteError):
        msg = f"exception_tb={traceback!r}: give a traceback"
        raise BadArguments(msg)
    if traceback is not None and exception is None:
        raise _contradiction("exception_tb is the traceback of an exception, and there is none")


def _contradiction(text: str) -> BadArguments:
    return BadArguments(f"finish_build: {text}")
