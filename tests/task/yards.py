"""The smallest thing that a task can belong to: it keeps what would be stored."""

from __future__ import annotations

from typing import Any

from jobyard.model.codec import JSON
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.op import Op
from jobyard.task import Decorator, Registry


class Desk:
    """A `Control` without a store: the n-th job that is enqueued has the id n."""

    def __init__(self) -> None:
        self.codec = JSON
        self.max_payload = 2**20
        self.task = Decorator(Registry(), self)
        self.taken: list[tuple[NewJob, Any]] = []

    def enqueue_new(self, new: NewJob, connection: Any) -> Job[Any]:
        self.task = Decorator(Registry(), self)
        self.taken.append((new, connection))
        return Job(new.queue, len(self.taken), [Op(new.ops[0].task)])

    async def aenqueue_new(self, new: NewJob, connection: Any) -> Job[Any]:
        return self.enqueue_new(new, connection)
