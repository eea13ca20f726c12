"""A job before it is stored: what `Task.new` makes and `enqueue_many` takes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from jobyard.model.references import Ref
from jobyard.model.retry import Retry
from jobyard.model.states import CODES, FINAL, Status

__all__ = ["SUCCESS", "JobOptions", "NewJob", "NewOp", "accepted_bits", "accepted_statuses", "options_of"]


class JobOptions(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What nobody filters or sorts by: one JSON column of the row. None: not said by the call."""

    title: str | None = None
    tags: tuple[str, ...] = ()
    retry: Retry | None = None
    timeout: float | None = None
    heartbeat_timeout: float | None = None
    isolation: str | None = None
    memory_limit: int | None = None
    unique: str | None = None
    """The unique key, also when it was let go: an explicit retry takes it again."""
    unique_for: str | float | None = None
    token: str | None = None
    parent: int | None = None
    """The job whose run enqueued this one."""
    suspended: str | None = None
    """Why the job is suspended, in words."""
    result_status: str | None = None
    """How a run of a definition ended, where the status of the job does not tell."""
    slot: int | None = None
    """The instant for which the schedule of a definition made this job."""
    dependencies: tuple[str, ...] = ()
    """The definitions whose latest builds this job takes when it begins."""


class NewOp(msgspec.Struct, array_like=True, gc=False):
    """One call of a task, its arguments encoded."""

    task: str
    args: str
    refs: list[Ref] = []
    priority: int | None = None


class NewJob(msgspec.Struct, gc=False):
    """
    A job that is not stored yet. Make one with `task.new` or `yard.new`; it is plain data and safe to keep.

    `due` is an instant in microseconds and `delay` a wait in microseconds from the moment of storing; at most one is
    given. `after` has (job id or -n, accepted statuses as bits). `unique_for` is ``finish``, ``start`` or seconds.
    """

    ops: list[NewOp]
    queue: str
    priority: int | None = None
    """None: the queue's default, else 0."""
    due: int | None = None
    delay: int | None = None
    after: list[tuple[int, int]] = []
    unique: str | None = None
    unique_for: str | float = "finish"
    token: str | None = None
    requester: str | None = None
    definition: str | None = None
    expires: int | None = None
    """Microseconds from the moment of storing; not begun by then, the job is canceled."""
    options: JobOptions | None = None


def accepted_bits(statuses: Iterable[Status | str]) -> int:
    """The set of accepted final statuses as bits. Raises ValueError for one that is not final, or for none."""
    bits = 0
    for status in map(Status, statuses):
        if status not in FINAL:
            msg = f"{status} is not a final status; a dependency may accept {', '.join(sorted(FINAL))}"
            raise ValueError(msg)
        bits |= 1 << CODES[status]
    if not bits:
        msg = "a dependency must accept at least one final status"
        raise ValueError(msg)
    return bits


def accepted_statuses(bits: int) -> frozenset[Status]:
    """The inverse of `accepted_bits`."""
    return frozenset(status for status in FINAL if bits >> CODES[status] & 1)


SUCCESS = accepted_bits({Status.SUCCEEDED, Status.SKIPPED})
"""What ``after=[job]`` accepts."""

_NONE = JobOptions()
_decode = msgspec.json.Decoder(JobOptions).decode


@lru_cache(maxsize=2048)
def options_of(text: str | None) -> JobOptions:
    """The options of a stored row. Many rows have the same, and those of one are asked for again and again."""
    return _decode(text) if text else _NONE
