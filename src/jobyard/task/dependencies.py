"""What a job waits for: what it was told to, and the jobs whose results it takes as arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobyard.errors import BadArguments
from jobyard.model.job import Job
from jobyard.model.newjob import NewOp, accepted_bits, accepted_statuses
from jobyard.model.references import Ref, Reference
from jobyard.model.states import Status

__all__ = ["check_home", "check_order", "merged"]

_HAS_RESULT = accepted_bits({Status.SUCCEEDED})


def check_home(values: object, yard: Any) -> None:
    """Raise `BadArguments` if there is a job among *values*, or in their lists and mappings, of another store."""
    for job in _jobs_in(values):
        if job.yard is not None and job.yard.control.identity != yard.control.identity:
            msg = f"job {job.id} is in {job.yard.control.identity}; a job in {yard.control.identity} cannot wait for it"
            raise BadArguments(msg)


def _jobs_in(value: object) -> Iterator[Job[Any]]:
    if isinstance(value, Reference):
        job = value.as_retval().job
        if isinstance(job, Job):
            yield job
    elif isinstance(value, (list, tuple, set, frozenset, Mapping)):
        parts = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
        for part in parts:
            yield from _jobs_in(part)


def check_order(op: NewOp, index: int) -> None:
    """Raise `BadArguments` if the op at *index* of a job takes the result of one that does not run before it."""
    for ref in op.refs:
        if ref.op is not None and not 0 <= ref.op < index:
            msg = (
                f"retval(op={ref.op}) in op {index} ({op.task}): only the ops before it in its job have results by then"
            )
            raise BadArguments(msg)


def merged(after: Iterable[tuple[int, int]], refs: Iterable[Ref]) -> list[tuple[int, int]]:
    """
    One entry per job, with the statuses that every mention of it accepts; a result needs success.

    Raises:
        BadArguments: two mentions of a job have no status in common.
    """
    accepted: dict[int, int] = {}
    for job, bits in [*after, *((ref.job, _HAS_RESULT) for ref in refs if ref.job is not None)]:
        before = accepted.get(job, bits)
        accepted[job] = before & bits
        if not accepted[job]:
            msg = f"after: job {job} cannot end as {_words(before)} and also as {_words(bits)}"
            raise BadArguments(msg)
    return list(accepted.items())


def _words(bits: int) -> str:
    return " or ".join(sorted(accepted_statuses(bits)))
