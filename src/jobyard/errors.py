"""
Every exception of jobyard, in one tree, sorted by who must act.

::

    JobyardError
    ├── UsageError (ValueError)         the caller: mend the call
    │   ├── BadArguments                a value does not fit the task, the option or the setting
    │   │   ├── PayloadTooLarge
    │   │   └── BadDefinitions          a file of definitions has faults; each is listed with its line
    │   ├── BadResult                   the task returned what cannot be stored
    │   ├── UnknownJob, UnknownTask, UnknownDefinition,
    │   │   UnknownMachine, UnknownField   (LookupError)
    │   ├── InvalidTransition           the job's status does not allow it
    │   ├── PreconditionFailed          an operation of the workflow came at the wrong moment
    │   ├── DependencyCycle
    │   ├── MissingDependencies         a build needs a result that does not exist
    │   ├── QueueClosed                 the queue is drained
    │   ├── NotFinished                 asked for the result of an unfinished job
    │   └── ConfigError                 a setting, its file or its environment variable
    ├── StoreError                      the database: operate or wait
    │   ├── StoreBusy, StoreUnavailable, StoreFull, SchemaOutOfDate
    ├── JobFailed, JobCanceled          what became of the job whose result was asked for
    ├── WaitTimeout (TimeoutError)      the job did not finish in time
    ├── JobTimeout (TimeoutError)       the error of an attempt that ran past its timeout
    ├── JobCrashed                      the error of an attempt whose process died
    └── StaleRun                        this run is no longer the job's: its writes are refused
    JobSignal (BaseException)           raised inside a job to steer it
    ├── SkipJob, RetryJob, SuspendJob, CancelJob
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobyard.model.traceback import RemoteError

__all__ = [
    "BadArguments",
    "BadDefinitions",
    "BadResult",
    "CancelJob",
    "ConfigError",
    "DependencyCycle",
    "InvalidTransition",
    "JobCanceled",
    "JobCrashed",
    "JobFailed",
    "JobSignal",
    "JobTimeout",
    "JobyardError",
    "MissingDependencies",
    "NotFinished",
    "PayloadTooLarge",
    "PreconditionFailed",
    "QueueClosed",
    "RetryJob",
    "SchemaOutOfDate",
    "SkipJob",
    "StaleRun",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "SuspendJob",
    "UnknownDefinition",
    "UnknownField",
    "UnknownJob",
    "UnknownMachine",
    "UnknownTask",
    "UsageError",
    "WaitTimeout",
]


class JobyardError(Exception):
    """Whatever jobyard raises on purpose, but for the signals of a running job."""


class UsageError(JobyardError, ValueError):
    """The call is wrong as it stands; nothing was stored."""


class BadArguments(UsageError):
    """A value does not fit; the text names the parameter."""


class PayloadTooLarge(BadArguments):
    """An argument or result is larger than `max_payload`."""


class BadDefinitions(BadArguments):
    """Definitions to be stored have faults, and nothing of them was stored; `faults` has each, with its line."""

    def __init__(self, message: str, faults: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.faults = list(faults)


class BadResult(UsageError):
    """A task returned a value that cannot be stored."""


class _Unknown(UsageError, LookupError):
    """A look-up found nothing."""


class UnknownJob(_Unknown):
    """No job has this id (it may have been pruned)."""


class UnknownTask(_Unknown):
    """No task of this name is registered in this process."""


class UnknownDefinition(_Unknown):
    """No definition of this name exists."""


class UnknownMachine(_Unknown):
    """No machine of this name is known."""


class UnknownField(_Unknown):
    """`get_info` or `wait_for_change` was asked for a field that jobs do not have."""


class InvalidTransition(UsageError):
    """The status of the job does not allow this; the text names both statuses."""


class PreconditionFailed(UsageError):
    """An operation of the workflow came at the wrong moment; nothing was written."""


class DependencyCycle(UsageError):
    """Jobs or definitions wait for each other; the text names the whole cycle."""


class MissingDependencies(UsageError):
    """A build needs the result of a definition that has no successful build."""


class QueueClosed(UsageError):
    """The queue is drained and takes no new jobs."""


class NotFinished(UsageError):
    """The job has no result yet."""


class ConfigError(UsageError):
    """A setting is unknown or has a bad value; the text names it and where it came from."""


class StoreError(JobyardError):
    """The database could not do it; nothing of the call was stored."""


class StoreBusy(StoreError):
    """Another writer held the database for longer than `busy_timeout`."""

    deadlock = False
    """Whether two transactions waited for each other, and the database ended this one: the same again may succeed."""
    canceled = False
    """Whether the server ended a statement, which took too long or was canceled by somebody."""


class StoreUnavailable(StoreError):
    """The database cannot be reached, opened or written."""

    in_doubt = False
    """Whether what was written may be there all the same: the connection was lost while it was committed."""


class StoreFull(StoreUnavailable):
    """The disk under the database is full."""


class SchemaOutOfDate(StoreError):
    """The tables are of another version of jobyard; the text has the command that mends it."""


class JobFailed(JobyardError):
    """The job failed; `error` is the `RemoteError`, and the text ends with the remote traceback."""

    def __init__(self, message: str, error: RemoteError | None = None) -> None:
        super().__init__(message)
        self.error = error


class JobCanceled(JobyardError):
    """The job was canceled, so there is no result."""


class WaitTimeout(JobyardError, TimeoutError):
    """The job did not finish within the timeout; it goes on."""


class JobTimeout(JobyardError, TimeoutError):
    """An attempt ran longer than the timeout of its task."""


class JobCrashed(JobyardError):
    """The process that ran the job died; the text names its exit code or signal."""


class StaleRun(JobyardError):
    """The job was taken from this run (reclaimed or ended elsewhere): what it writes is refused."""


class JobSignal(BaseException):
    """Base of what a task raises to steer its own job; no failure, never logged as one."""


class SkipJob(JobSignal):
    """End the job as `skipped`: finished without failure and without a result."""


class RetryJob(JobSignal):
    """
    Give this attempt up and try again.

    Args:
        message: why, kept as the outcome of the attempt.
        delay: seconds (or a timedelta) until the next attempt; None takes the back-off of the task.
    """

    def __init__(self, *args: Any, delay: float | timedelta | None = None) -> None:
        super().__init__(*args)
        self.delay = delay.total_seconds() if isinstance(delay, timedelta) else delay


class SuspendJob(JobSignal):
    """Put the job aside as `suspended` until somebody resumes it; no attempt is spent."""


class CancelJob(JobSignal):
    """End the job as `canceled`."""
