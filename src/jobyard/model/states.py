"""
The states of jobs and ops.

Rule 1: every change of a status, on every path, is looked up in `TRANSITIONS`.
Rule 2: a status that is a consequence of others (a job's of its ops) is computed here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from jobyard.errors import InvalidTransition

__all__ = [
    "CODES",
    "DEFAULT_PRIORITY",
    "FINAL",
    "HELD",
    "STATUSES",
    "TRANSITIONS",
    "UNFINISHED",
    "Status",
    "calc_priority",
    "calc_status",
    "check_transition",
    "op_statuses",
]


class Status(StrEnum):
    """What a job or an op is doing."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELED = "canceled"


_S = Status

STATUSES: tuple[Status, ...] = tuple(Status)
"""In the order of their codes: a status is stored as its index here."""

CODES: dict[str, int] = {status.value: code for code, status in enumerate(STATUSES)}

FINAL = frozenset({_S.SUCCEEDED, _S.FAILED, _S.SKIPPED, _S.CANCELED})
UNFINISHED = frozenset(_S) - FINAL
HELD = frozenset({_S.RUNNING, _S.CANCELING})
"""Somebody holds the job by its epoch."""

DEFAULT_PRIORITY = 0

TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.SCHEDULED: frozenset({_S.QUEUED, _S.WAITING, _S.SUSPENDED, _S.CANCELED, _S.RUNNING}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.WAITING, _S.SUSPENDED, _S.CANCELED}),
    _S.WAITING: frozenset({_S.QUEUED, _S.SCHEDULED, _S.SUSPENDED, _S.CANCELED, _S.FAILED}),
    _S.SUSPENDED: frozenset({_S.QUEUED, _S.SCHEDULED, _S.WAITING, _S.CANCELED, _S.RUNNING}),
    _S.RUNNING: FINAL | {_S.CANCELING, _S.SUSPENDED, _S.SCHEDULED, _S.QUEUED},
    _S.CANCELING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.CANCELED}),
    **{final: frozenset({_S.QUEUED, _S.SCHEDULED, _S.WAITING}) for final in FINAL},
}
"""
From each status, the ones that may come next. Out of a final one leads only an explicit retry. Where a worker claims
what it has just released, `WAITING` becomes `QUEUED` and `RUNNING` in one step.
"""


def check_transition(before: Status, after: Status, *, what: str = "the job") -> None:
    """Raise `InvalidTransition`, naming both statuses, unless *before* may become *after*."""
    if after not in TRANSITIONS[before]:
        msg = f"{what} is {before} and cannot become {after}"
        raise InvalidTransition(msg)


def calc_status(statuses: Iterable[Status]) -> Status:
    """
    The status of a job whose ops, in order, have these statuses.

    Ganeti's table (its `CalcStatus`, ops walked in order), with three more rows: ``scheduled`` and ``suspended``
    count like ``waiting``, and ``skipped`` ends the walk like ``canceled``. No op at all is ``succeeded``.
    """
    result = _S.QUEUED
    all_succeeded = True
    for status in map(Status, statuses):
        if status is _S.SUCCEEDED:
            continue
        all_succeeded = False
        if status in (_S.CANCELING, _S.FAILED, _S.CANCELED, _S.SKIPPED):
            return status
        if status is not _S.QUEUED:
            result = status
    return _S.SUCCEEDED if all_succeeded else result


def calc_priority(ops: Iterable[tuple[Status, int]]) -> int:
    """The most urgent (lowest) priority of the unfinished among these (status, priority) pairs; 0 when none is."""
    return min((priority for status, priority in ops if status not in FINAL), default=DEFAULT_PRIORITY)


def op_statuses(job: Status, cursor: int, count: int) -> list[Status]:
    """
    The statuses of a job's *count* ops, which follow from the job's and the index of the op it is at.

    Ops before the cursor have succeeded, the one at it has the job's status, and those behind it wait with the job:
    ``queued`` while it is unfinished (``canceling`` with it), else they share its end.
    """
    if job is _S.SUCCEEDED:
        return [_S.SUCCEEDED] * count
    behind = job if job in FINAL or job is _S.CANCELING else _S.QUEUED
    return [_S.SUCCEEDED] * cursor + [job] + [behind] * (count - cursor - 1)
