"""What callers of the listings give, in the form that the store takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

from jobyard.errors import BadArguments
from jobyard.model.instants import to_micros
from jobyard.model.job import Job
from jobyard.model.standalone import check_status
from jobyard.model.states import STATUSES, Status
from jobyard.store.filters import JobFilter

__all__ = ["group", "groups", "instant", "job", "job_filter", "limit", "several", "statuses"]

_MOST = 2**63 - 1
"""The largest number that databases know."""

_COUNTED = ("queue", "status", "task", "definition", "requester", "priority")


def job_filter(
    status: Status | str | Collection[Status | str] | None,
    queue: str | Collection[str] | None,
    task: str | Collection[str] | None,
    definition: str | None,
    requester: str | None,
    since: datetime | None,
    until: datetime | None,
    order: Literal["id", "-id"],
    most: int | None,
) -> JobFilter:
    """What `Yard.jobs` is given."""
    if order not in ("id", "-id"):
        msg = f"order={order!r}: give 'id' (oldest first) or '-id'"
        raise BadArguments(msg)
    return JobFilter(
        statuses=statuses(status),
        queues=several(queue),
        tasks=several(task),
        definition=definition,
        requester=requester,
        since=instant(since, "since"),
        until=instant(until, "until"),
        newest_first=order == "-id",
        limit=limit(most),
    )


def limit(given: int | None) -> int | None:
    """At most how many; None for all."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 0):
        msg = f"limit={given!r}: give the most that may come back, or None for all"
        raise BadArguments(msg)
    return given if given is None else min(given, _MOST)


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


def job(given: Job[Any] | int | None) -> int | None:
    """The id of a job, given as such or as the job."""
    found = given.id if isinstance(given, Job) else given
    if isinstance(found, bool) or not isinstance(found, int | None):
        msg = f"job={given!r}: give a job or its id"
        raise BadArguments(msg)
    return found


def groups(by: Sequence[str] | str) -> tuple[str, ...]:
    """By what jobs are counted."""
    names = (by,) if isinstance(by, str) else tuple(by)
    unknown = [name for name in names if name not in _COUNTED]
    if unknown:
        msg = f"by={unknown[0]!r}: jobs are counted by {', '.join(_COUNTED)}"
        raise BadArguments(msg)
    return names


def group(names: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(STATUSES[value] if name == "status" else value for name, value in zip(names, values, strict=True))
