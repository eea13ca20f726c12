"""
What happens, told to whoever asked for it.

Everything that happens is one frozen dataclass here; who does it emits it, and formats, counts or logs nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "ChildDied",
    "Happening",
    "JobEnqueued",
    "JobFinished",
    "JobHandedBack",
    "JobPoisoned",
    "JobReclaimed",
    "JobRetried",
    "JobStarted",
    "JobSuspended",
    "JobsClaimed",
    "SlotAbandoned",
    "StaleWrite",
    "StoreRetry",
    "WorkerLost",
    "WorkerStarted",
    "WorkerStopped",
]


@dataclass(frozen=True)
class Happening:
    """Base of everything that happens in a yard or a worker. Subscribing to it means all of them."""

    level: ClassVar[int] = logging.INFO
    template: ClassVar[str] = ""

    def __str__(self) -> str:
        """The line for the log of the worker."""
        return self.template.format(**vars(self))


@dataclass(frozen=True)
class OfJob(Happening):
    """Something that happened to one job."""

    job: int
    queue: str
    task: str


@dataclass(frozen=True)
class JobEnqueued(OfJob):
    """A job was stored by this process (one that existed already was not)."""

    level = logging.DEBUG
    template = "job {job} ({task}) enqueued on {queue}"


@dataclass(frozen=True)
class JobsClaimed(Happening):
    """A worker took jobs, best first; `seconds` the statement took."""

    level = logging.DEBUG
    template = "{worker} claimed {count} jobs in {seconds:.4f} s"

    worker: str
    jobs: tuple[int, ...]
    seconds: float

    @property
    def count(self) -> int:
        """How many."""
        return len(self.jobs)

    def __str__(self) -> str:
        return self.template.format(worker=self.worker, count=self.count, seconds=self.seconds)


@dataclass(frozen=True)
class JobStarted(OfJob):
    """An attempt of a job was given to a slot."""

    level = logging.DEBUG
    template = "job {job} ({task}) started, attempt {attempt}"

    attempt: int
    worker: str


@dataclass(frozen=True)
class JobFinished(OfJob):
    """
    A job reached a final status, and it is stored. `error` is the short form, as ``ValueError: bad``.

    `seconds` is how long its last op ran; 0 if that is not known, as the process died, or if it never began.
    """

    template = "job {job} ({task}) {status}{after}{because}"

    status: str
    attempt: int
    seconds: float
    error: str | None = None

    def __str__(self) -> str:
        after = f" after {self.seconds:.3f} s" if self.seconds else ""
        return self.template.format(**vars(self), after=after, because=f": {self.error}" if self.error else "")


@dataclass(frozen=True)
class JobRetried(OfJob):
    """An attempt failed, and the next is due in `delay` seconds."""

    level = logging.WARNING
    template = "job {job} ({task}) failed in attempt {attempt}, next in {delay:.0f} s: {error}"

    attempt: int
    delay: float
    error: str


@dataclass(frozen=True)
class JobSuspended(OfJob):
    """A job was put aside by its task, or because its arguments no longer fit."""

    level = logging.WARNING
    template = "job {job} ({task}) suspended: {reason}"

    reason: str


@dataclass(frozen=True)
class JobHandedBack(OfJob):
    """A claimed job went back to its queue without spending an attempt."""

    template = "job {job} ({task}) handed back: {reason}"

    reason: str


@dataclass(frozen=True)
class JobReclaimed(OfJob):
    """A job was taken from a lost worker or a dead child, for the `crashes`-th time, and is queued again."""

    level = logging.WARNING
    template = "job {job} ({task}) reclaimed from {worker} (reclaims so far: {crashes})"

    worker: str
    crashes: int


@dataclass(frozen=True)
class JobPoisoned(OfJob):
    """A job failed because too many workers or children were lost while they ran it."""

    level = logging.ERROR
    template = "job {job} ({task}) failed as poison after {crashes} crashes: {error}"

    crashes: int
    error: str


@dataclass(frozen=True)
class StaleWrite(Happening):
    """A late result, log line or beat of a run that no longer holds its job was dropped."""

    level = logging.WARNING
    template = "job {job}: a late {what} of epoch {epoch} was dropped"

    job: int
    epoch: int
    what: str


@dataclass(frozen=True)
class SlotAbandoned(OfJob):
    """A thread would not stop; it was given up and replaced, and what it yet returns is dropped."""

    level = logging.ERROR
    template = "job {job} ({task}): its thread would not stop and was replaced, {abandoned} so far"

    worker: str
    abandoned: int


@dataclass(frozen=True)
class ChildDied(Happening):
    """A child process ended unasked; `how` names its exit code or signal, `jobs` what it ran."""

    level = logging.ERROR
    template = "child {pid} of {worker} died: {how}"

    worker: str
    pid: int
    how: str
    jobs: tuple[int, ...] = ()


@dataclass(frozen=True)
class WorkerStarted(Happening):
    """A worker is registered and begins to claim. `queues` None means all; `store` says where the jobs are."""

    template = "worker {worker} started on {store}: {concurrency} slots in {processes} processes"

    worker: str
    store: str
    queues: tuple[str, ...] | None
    concurrency: int
    processes: int


@dataclass(frozen=True)
class WorkerStopped(Happening):
    """A worker has ended; `clean` if every job it had begun came to its own end."""

    template = "worker {worker} stopped"

    worker: str
    clean: bool


@dataclass(frozen=True)
class WorkerLost(Happening):
    """A worker was silent for too long, and this one reclaimed its jobs; or this worker found itself lost."""

    level = logging.WARNING
    template = "worker {worker} is lost; jobs reclaimed: {jobs}"

    worker: str
    jobs: int


@dataclass(frozen=True)
class StoreRetry(Happening):
    """The store could not do something, and it is tried again after `delay` seconds."""

    level = logging.WARNING
    template = "{what} failed, again in {delay:.1f} s: {error}"

    what: str
    error: str
    delay: float
