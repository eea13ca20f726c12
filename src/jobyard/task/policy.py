"""How an attempt is run: what the call, the task and the queue say; the first of them that says something wins."""

from __future__ import annotations

from typing import Protocol

import msgspec

from jobyard.model.newjob import JobOptions
from jobyard.model.retry import NO_RETRY, Retry
from jobyard.task.options import TaskOptions

__all__ = ["Policy", "QueueDefaults", "resolve_policy"]


class QueueDefaults(Protocol):
    """What a queue says for jobs whose call and task say nothing."""

    @property
    def retry(self) -> Retry | None: ...

    @property
    def timeout(self) -> float | None: ...


class Policy(msgspec.Struct, frozen=True):
    """Everything about an attempt that is not its code and arguments. Seconds and bytes."""

    retry: Retry
    timeout: float | None
    heartbeat_timeout: float | None
    isolation: str | None
    memory_limit: int | None
    sync: bool = False
    """Its outcome is stored before its slot is free again."""


def resolve_policy(task: TaskOptions, job: JobOptions | None, queue: QueueDefaults | None) -> Policy:
    """What holds for the attempts of a job. Nobody says anything: one attempt, no limits, no process of its own."""
    job = job or _SILENT
    return Policy(
        retry=job.retry or task.retry or (queue and queue.retry) or NO_RETRY,
        timeout=job.timeout or task.timeout or (queue.timeout if queue else None),
        heartbeat_timeout=job.heartbeat_timeout or task.heartbeat_timeout,
        isolation=job.isolation or task.isolation,
        memory_limit=job.memory_limit or task.memory_limit,
        sync=task.ack == "sync",
    )


_SILENT = JobOptions()
