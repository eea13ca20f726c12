"""What a worker has done: the counts of its summary, and the happenings told to whoever subscribed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jobyard.model.emitter import Emitter
from jobyard.model.events import (
    JobFinished,
    JobHandedBack,
    JobPoisoned,
    JobReclaimed,
    JobRetried,
    JobStarted,
    JobSuspended,
)
from jobyard.model.messages import Ended
from jobyard.model.rows import JobRow
from jobyard.model.states import FINAL, STATUSES, Status
from jobyard.model.traceback import RemoteError
from jobyard.store.settle import Settled
from jobyard.worker.ledger import Held

__all__ = ["Summary", "Tally"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a worker did: jobs by their ends, failed attempts that are tried again, and what is left unfinished."""

    succeeded: int
    failed: int
    skipped: int
    canceled: int
    retried: int
    left: int


class Tally:
    """Counts what was settled, and emits it."""

    def __init__(self, emitter: Emitter) -> None:
        self.ends: Counter[Status] = Counter()
        self.retried = 0
        self.drained = 0
        """Runs that had begun and went back because the worker stopped."""
        self.lost = 0
        """Runs whose jobs were taken from this worker, or that it left behind."""
        self.stale = 0
        self.abandoned = 0
        self._emitter = emitter

    def summary(self, left: int) -> Summary:
        ends = self.ends
        return Summary(
            ends[Status.SUCCEEDED],
            ends[Status.FAILED],
            ends[Status.SKIPPED],
            ends[Status.CANCELED],
            self.retried,
            left,
        )

    @property
    def clean(self) -> bool:
        """Every job that was begun came to its own end."""
        return not (self.drained or self.abandoned or self.lost)

    def started(self, claimed: Sequence[Held], worker: str) -> None:
        if self._emitter.wants(JobStarted):
            for held in claimed:
                row = held.row
                self._emitter.emit(JobStarted(row.id, row.queue, row.task, row.attempt, worker))

    def settled(self, item: Settled, worker: str) -> None:
        decision = item.decision
        if decision.advance:
            return
        if decision.status not in FINAL:
            self._went_back(item, worker)
            return
        row, outcome = item.row, item.outcome
        if decision.crashed:
            crashes = row.crashes + 1
            self._emitter.emit(JobPoisoned(row.id, row.queue, row.task, crashes, _short(outcome.error) or "it crashed"))
        self.finished(row, decision.status, outcome.seconds, outcome.error)

    def ended_without_a_run(self, row: JobRow) -> None:
        """A job has ended with one it waited for, or was not begun in time."""
        self.finished(row, STATUSES[row.status], 0.0, row.error)

    def finished(self, row: JobRow, status: Status, seconds: float, error: str | None) -> None:
        """A job has ended so, after a run of so many seconds."""
        self.ends[status] += 1
        if self._emitter.wants(JobFinished):
            short = _short(error) if status is Status.FAILED else None
            self._emitter.emit(JobFinished(row.id, row.queue, row.task, status.value, row.attempt, seconds, short))

    def _went_back(self, item: Settled, worker: str) -> None:
        row, outcome, decision = item.row, item.outcome, item.decision
        where = (row.id, row.queue, row.task)
        if decision.failed:
            self.retried += 1
            error = _short(outcome.error) or "RetryJob"
            self._emitter.emit(JobRetried(*where, row.attempt, decision.delay or 0.0, error))
        elif decision.crashed:
            self._emitter.emit(JobReclaimed(*where, worker, row.crashes + 1))
        elif decision.status is Status.SUSPENDED:
            self._emitter.emit(JobSuspended(*where, item.suspended or "suspended"))
        else:
            self.drained += outcome.ended == Ended.DRAINED and outcome.began > 0
            self._emitter.emit(JobHandedBack(*where, _BACK.get(outcome.ended, outcome.ended)))


_BACK = {
    Ended.DRAINED: "the worker stops, or it had to wait here for too long",
    Ended.UNKNOWN: "its next task is unknown here",
}


def _short(error: str | None) -> str | None:
    return RemoteError.from_json(error).summary if error else None
