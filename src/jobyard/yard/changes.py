"""Waiting for a job to change, as Ganeti's ``WaitForJobChanges`` does."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from jobyard.model.job import Job
from jobyard.model.op import LogEntry
from jobyard.model.states import FINAL

__all__ = ["NO_CHANGE", "Change", "NoChange", "change_of"]


class NoChange(enum.Enum):
    """The type of `NO_CHANGE`."""

    NO_CHANGE = "NO_CHANGE"

    def __repr__(self) -> str:
        return "NO_CHANGE"

    def __bool__(self) -> Literal[False]:
        return False


NO_CHANGE: Final = NoChange.NO_CHANGE
"""What `Yard.wait_for_change` gives when nothing changed before the timeout; false in a condition."""


@dataclass(frozen=True, slots=True)
class Change:
    """The values of the fields asked for, in their order, and the log entries that are new."""

    fields: list[Any]
    log: list[LogEntry]


def change_of(
    job: Job[Any], fields: Sequence[str], previous: Sequence[Any] | None, newer_than: int | None
) -> Change | None:
    """The change of a job since *previous*; None if there is none and more may come."""
    values = job.get_info(fields)
    log = job.get_log_entries(newer_than) if job.log_serial > (newer_than or 0) else []
    if previous is None or log or job.status in FINAL or not _same(values, previous):
        return Change(values, log)
    return None


def _same(values: Sequence[Any], previous: Sequence[Any]) -> bool:
    """Lists and tuples compare equal: what a client sends back may have been through JSON."""
    return len(values) == len(previous) and all(_plain(a) == _plain(b) for a, b in zip(values, previous, strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
