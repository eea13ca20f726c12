"""Errors that jobyard itself gives a job, in the stored form of a captured exception."""

from __future__ import annotations

from collections.abc import Iterable

from jobyard.errors import JobCanceled, JobCrashed, JobyardError
from jobyard.model.states import Status

__all__ = [
    "ReportedFailure",
    "called",
    "canceled_fault",
    "cascade_fault",
    "crash_fault",
    "dependency_fault",
    "earlier_op_fault",
    "fault",
    "foreign_fault",
]


class DependencyFailed(JobyardError):
    """A job that this one waited for ended otherwise than it accepts."""


class EarlierOpFailed(JobyardError):
    """An earlier op of the same job failed, so this one never ran."""


class ReportedFailure(JobyardError):
    """The function returned, but had said with `ctx.result_status` that the run failed."""


class ForeignRunFailed(JobyardError):
    """A runner that is no worker of ours reported a failure."""


def fault(error: BaseException) -> str:
    """The stored form of an error that was never raised."""
    from jobyard.model.traceback import capture, encode  # what takes tracebacks apart, only those need who have one

    return encode(capture(error))


def dependency_fault(
    parent: int, name: str | None, status: Status, accepted: Iterable[Status], cause: str | None = None
) -> str:
    """
    The error of a job that waited for one that ended otherwise.

    Args:
        parent: the id of that one.
        name: its task, or its definition.
        status: of its end.
        accepted: the ends that were waited for.
        cause: the job whose end was the first of a cascade, if that is another one.
    """
    wanted = " or ".join(sorted(accepted))
    why = f", because of {cause}" if cause else ""
    text = f"{called(parent, name)}, which this one waited for, {_ended(status)}, not {wanted}{why}"
    return fault(DependencyFailed(text))


def canceled_fault(why: str = "canceled by request") -> str:
    """The error of a job that was canceled."""
    return fault(JobCanceled(why))


def cascade_fault(parent: int, name: str | None, cause: str | None = None) -> str:
    """The error of a job that was canceled with one that it waited for; see `dependency_fault`."""
    why = f", because of {cause}" if cause else ""
    return canceled_fault(f"{called(parent, name)}, which this one waited for, was canceled{why}")


def called(id: int, name: str | None) -> str:
    """A job as people know it."""
    return f"job {id} ({name})" if name else f"job {id}"


def crash_fault(reclaims: int, why: str) -> str:
    """The error of a job that was reclaimed once too often."""
    times = f"{reclaims} times" if reclaims != 1 else "once"
    return fault(JobCrashed(f"poison: the process that ran the job was lost {times}, the last time: {why}"))


def earlier_op_fault(index: int, task: str) -> str:
    """The error of the ops behind the one, at *index*, that failed."""
    return fault(EarlierOpFailed(f"an earlier op failed: op {index} ({task})"))


def foreign_fault(machine: str | None, result: str) -> str:
    """The error of a job that a machine finished with a result status which is no success."""
    return fault(ForeignRunFailed(f"the run on {machine or 'no machine'} ended with {result}"))


def _ended(status: Status) -> str:
    return status.value if status in (Status.SUCCEEDED, Status.FAILED) else f"was {status}"
