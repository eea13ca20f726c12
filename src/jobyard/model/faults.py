"""Errors that jobyard itself gives a job, in the stored form of a captured exception."""

from __future__ import annotations

from collections.abc import Iterable

from jobyard.errors import JobCrashed, JobyardError
from jobyard.model.states import Status

__all__ = ["crash_fault", "dependency_fault", "fault", "foreign_fault"]


class DependencyFailed(JobyardError):
    """A job that this one waited for ended otherwise than it accepts."""


class EarlierOpFailed(JobyardError):
    """An earlier op of the same job failed, so this one never ran."""


class ForeignRunFailed(JobyardError):
    """A runner that is no worker of ours reported a failure."""


def fault(error: BaseException) -> str:
    """The stored form of an error that was never raised."""
    from jobyard.model.traceback import capture, encode  # what takes tracebacks apart, only those need who have one

    return encode(capture(error))


def dependency_fault(parent: int, task: str | None, status: Status, accepted: Iterable[Status]) -> str:
    wanted = " or ".join(sorted(accepted))
    name = f"job {parent} ({task})" if task else f"job {parent}"
    return fault(DependencyFailed(f"{name}, which this one waited for, {_ended(status)}, not {wanted}"))


def crash_fault(reclaims: int, why: str) -> str:
    """The error of a job that was reclaimed once too often."""
    times = f"{reclaims} times" if reclaims != 1 else "once"
    return fault(JobCrashed(f"poison: the process that ran the job was lost {times}, the last time: {why}"))


def foreign_fault(machine: str | None, result: str) -> str:
    """The error of a job that a machine finished with a result status which is no success."""
    return fault(ForeignRunFailed(f"the run on {machine or 'no machine'} ended with {result}"))


def _ended(status: Status) -> str:
    return status.value if status in (Status.SUCCEEDED, Status.FAILED) else f"was {status}"
