"""The smallest thing that a task can belong to: it keeps what would be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobyard.model.codec import JSON
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.op import Op
from jobyard.task import CallableTask, define


class Desk:
    """A `Control` without a store: the n-th job that is enqueued has the id n."""

    def __init__(self) -> None:
        self.codec = JSON
        self.max_payload = 2**20
        self.taken: list[tuple[NewJob, Any]] = []

    def task(self, **options: Any) -> Callable[[Callable[..., Any]], CallableTask[..., Any, Any]]:
        return lambda function: define(function, options, self)  # type: ignore[arg-type]

    def enqueue_new(self, new: NewJob, connection: Any) -> Job[Any]:
        self.taken.append((new, connection))
        return Job(new.queue, len(self.taken), [Op(new.ops[0].task)])

    async def aenqueue_new(self, new: NewJob, connection: Any) -> Job[Any]:
        return self.enqueue_new(new, connection)
