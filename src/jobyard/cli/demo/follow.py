"""How far the census is, as the store and the worker tell it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobyard.model.events import JobFinished
from jobyard.model.states import FINAL, Status
from jobyard.yard import Yard

__all__ = ["Ending", "Follower"]

_LAST = 6
_RATE_OVER = 3.0


@dataclass(frozen=True, slots=True)
class Ending:
    """A job that has ended, for people."""

    id: int
    title: str
    status: str
    seconds: float
    error: str | None


class Follower:
    """
    Listens to the worker while it is entered, and adds up what it hears when it is asked to `look`.

    Reading the store is left to whoever looks, so that the worker loses no time by being watched.
    """

    def __init__(self, yard: Yard, first: int) -> None:
        self._yard = yard
        self._first = first
        self._heard: deque[JobFinished] = deque()
        self._marks: deque[tuple[float, int]] = deque()
        self._began = time.monotonic()
        self.files = 0
        self.total: int | None = None
        """How many files there are, once they have been found."""
        self.library = ""
        self.counts: Mapping[Status, int] = {}
        self.endings: deque[Ending] = deque(maxlen=_LAST)
        self.failures: list[Ending] = []
        self.took: float | None = None
        """Seconds until all files were counted."""

    def __enter__(self) -> Follower:
        self._forget = self._yard.emitter.on(JobFinished, self._heard.append)
        return self

    def __exit__(self, *_: Any) -> None:
        self._forget()
        self.look()

    def look(self) -> None:
        """Take in what has happened since the last look."""
        while self._heard:
            self._take(self._heard.popleft())
        counts: dict[tuple[Status], int] = self._yard.count(by=("status",))
        self.counts = {status: count for (status,), count in counts.items()}
        now = time.monotonic()
        self._marks.append((now, self.files))
        while now - self._marks[0][0] > _RATE_OVER:
            self._marks.popleft()
        if self.took is None and self.files == self.total:
            self.took = now - self._began

    @property
    def open(self) -> int:
        """How many jobs have not ended."""
        return sum(count for status, count in self.counts.items() if status not in FINAL)

    def rate(self) -> float:
        """Files in a second: of late, and in the end over all."""
        if self.took is not None:
            return self.files / self.took
        (then, before), (now, files) = self._marks[0], self._marks[-1]
        return (files - before) / (now - then) if now > then else 0.0

    def _take(self, ended: JobFinished) -> None:
        job = self._yard.job(ended.job)
        if job.id == self._first and job.status is Status.SUCCEEDED:
            self.total, self.library = job.result.files, job.result.library
        elif ended.task == "census.count":
            self.files += len(job.ops[0].args[1])
        ending = Ending(job.id, job.title, ended.status, ended.seconds, ended.error)
        self.endings.append(ending)
        if ended.status == Status.FAILED:
            self.failures.append(ending)
