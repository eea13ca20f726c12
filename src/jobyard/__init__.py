"""
jobyard: durable jobs for Python, on one SQLite file or on PostgreSQL.

Each name but the errors is loaded at its first use: a program that enqueues does not wait for what workers need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jobyard.errors import (
    BadArguments,
    BadDefinitions,
    BadResult,
    CancelJob,
    ConfigError,
    DependencyCycle,
    InvalidTransition,
    JobCanceled,
    JobCrashed,
    JobFailed,
    JobSignal,
    JobTimeout,
    JobyardError,
    MissingDependencies,
    NotFinished,
    PayloadTooLarge,
    PreconditionFailed,
    QueueClosed,
    RetryJob,
    SchemaOutOfDate,
    SkipJob,
    StaleRun,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
    SuspendJob,
    UnknownDefinition,
    UnknownField,
    UnknownJob,
    UnknownMachine,
    UnknownTask,
    UsageError,
    WaitTimeout,
)

if TYPE_CHECKING:
    from jobyard.aio import AsyncJob, AsyncYard
    from jobyard.config import Settings
    from jobyard.context import ctx
    from jobyard.model.audit import Event
    from jobyard.model.events import (
        ChildDied,
        Happening,
        JobEnqueued,
        JobFinished,
        JobHandedBack,
        JobPoisoned,
        JobReclaimed,
        JobRetried,
        JobsClaimed,
        JobStarted,
        JobSuspended,
        SlotAbandoned,
        StaleWrite,
        StoreRetry,
        WorkerLost,
        WorkerStarted,
        WorkerStopped,
    )
    from jobyard.model.job import Job
    from jobyard.model.newjob import NewJob
    from jobyard.model.op import Attempt, LogEntry, Op
    from jobyard.model.progress import Progress
    from jobyard.model.references import retval
    from jobyard.model.retry import Retry
    from jobyard.model.signed import SignedPickle
    from jobyard.model.states import Status
    from jobyard.model.traceback import RemoteError
    from jobyard.model.why import Reason
    from jobyard.task import Task
    from jobyard.worker import Summary, Worker
    from jobyard.yard import NO_CHANGE, Change, QueueInfo, Yard

__all__ = [
    "NO_CHANGE",
    "AsyncJob",
    "AsyncYard",
    "Attempt",
    "BadArguments",
    "BadDefinitions",
    "BadResult",
    "CancelJob",
    "Change",
    "ChildDied",
    "ConfigError",
    "DependencyCycle",
    "Event",
    "Happening",
    "InvalidTransition",
    "Job",
    "JobCanceled",
    "JobCrashed",
    "JobEnqueued",
    "JobFailed",
    "JobFinished",
    "JobHandedBack",
    "JobPoisoned",
    "JobReclaimed",
    "JobRetried",
    "JobSignal",
    "JobStarted",
    "JobSuspended",
    "JobTimeout",
    "JobsClaimed",
    "JobyardError",
    "LogEntry",
    "MissingDependencies",
    "NewJob",
    "NotFinished",
    "Op",
    "PayloadTooLarge",
    "PreconditionFailed",
    "Progress",
    "QueueClosed",
    "QueueInfo",
    "Reason",
    "RemoteError",
    "Retry",
    "RetryJob",
    "SchemaOutOfDate",
    "Settings",
    "SignedPickle",
    "SkipJob",
    "SlotAbandoned",
    "StaleRun",
    "StaleWrite",
    "Status",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreRetry",
    "StoreUnavailable",
    "Summary",
    "SuspendJob",
    "Task",
    "UnknownDefinition",
    "UnknownField",
    "UnknownJob",
    "UnknownMachine",
    "UnknownTask",
    "UsageError",
    "WaitTimeout",
    "Worker",
    "WorkerLost",
    "WorkerStarted",
    "WorkerStopped",
    "Yard",
    "ctx",
    "retval",
]

_HOMES = {
    "aio": "AsyncJob AsyncYard",
    "config": "Settings",
    "context": "ctx",
    "model.audit": "Event",
    "model.events": (
        "ChildDied Happening JobEnqueued JobFinished JobHandedBack JobPoisoned JobReclaimed JobRetried "
        "JobStarted JobSuspended JobsClaimed SlotAbandoned StaleWrite StoreRetry WorkerLost WorkerStarted "
        "WorkerStopped"
    ),
    "model.job": "Job",
    "model.newjob": "NewJob",
    "model.op": "Attempt LogEntry Op",
    "model.progress": "Progress",
    "model.references": "retval",
    "model.retry": "Retry",
    "model.signed": "SignedPickle",
    "model.states": "Status",
    "model.traceback": "RemoteError",
    "model.why": "Reason",
    "task": "Task",
    "worker": "Summary Worker",
    "yard": "NO_CHANGE Change QueueInfo Yard",
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
