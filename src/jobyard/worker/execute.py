"""
Running a job: its ops in order, each as begin -> decode -> call -> encode -> report.

The steps are the same in a thread and on the event loop; only the call differs.
"""

from __future__ import annotations

import asyncio
from time import monotonic, time_ns
from typing import Any

from jobyard.errors import (
    BadArguments,
    CancelJob,
    JobSignal,
    JobTimeout,
    RetryJob,
    SkipJob,
    SuspendJob,
)
from jobyard.model.arguments import Arguments
from jobyard.model.definition import ResultStatus
from jobyard.model.faults import ReportedFailure
from jobyard.model.messages import Call, Ended, Outcome
from jobyard.model.states import Status
from jobyard.model.traceback import capture, class_names, encode
from jobyard.worker.attempt import Attempt
from jobyard.worker.interrupt import Interrupted

__all__ = ["Step", "calls_of", "stopped"]

STOPPED = {
    "cancel": Ended.CANCELED,
    "lost": Ended.CANCELED,
    "timeout": Ended.TIMEOUT,
    "drain": Ended.DRAINED,
}
"""How a run ends that was stopped, by the reason."""

_SIGNALS = ((SkipJob, Ended.SKIPPED), (RetryJob, Ended.RETRY), (SuspendJob, Ended.SUSPENDED))


class Unfit(Exception):
    """The stored arguments no longer fit the task."""


def calls_of(attempt: Attempt) -> list[Call]:
    """The ops to run."""
    run = attempt.run
    return [Call(run.row.cursor, run.row.task, run.row.args)] if run.calls is None else run.calls


def stopped(why: str | None) -> str:
    """How a run ends that was stopped for this reason."""
    return STOPPED[why or "cancel"]


class Step:
    """One op of an attempt, from its begin to its outcome."""

    __slots__ = ("attempt", "call", "more", "shop", "started", "task")

    def __init__(self, attempt: Attempt, call: Call, more: bool) -> None:
        self.attempt = attempt
        self.shop = attempt.shop
        self.call = call
        self.more = more
        self.task: Any = attempt.shop.tasks.get(call.task)
        self.started = monotonic()
        attempt.index = call.index
        attempt.began = time_ns() // 1000 - attempt.run.ahead

    def may_begin(self) -> bool:
        """Whether the op is run at all: not if the run was stopped between two ops, and not a task unknown here."""
        first = self.attempt.run.row.cursor
        return self.task is not None and (self.call.index == first or not self.attempt.canceling)

    def refused(self) -> Outcome:
        """The outcome of an op that may not begin."""
        return self._outcome(Ended.UNKNOWN) if self.task is None else self.raised(Interrupted())

    def decode(self) -> Arguments:
        """The arguments of the call; `Unfit` if they are not the task's any more."""
        call = self.call
        try:
            values = self._values() if call.values or call.op_refs else []
            return self.shop.codec.decode_arguments(self.task.signature, call.args, values)
        except BadArguments as error:
            raise Unfit from error

    def returned(self, value: Any) -> Outcome:
        """The function has returned."""
        if self.attempt.result_status is not None and not self.more:
            after = ResultStatus(self.attempt.result_status).job_status
            if after is not Status.SUCCEEDED:
                msg = f"ctx.result_status is {self.attempt.result_status}"
                return self.raised(CancelJob(msg) if after is Status.CANCELED else ReportedFailure(msg))
        result = None if value is None else self.shop.encode(self.task, value)
        outcome = self._outcome(Ended.RETURNED, result)
        if outcome.more:
            self.attempt.run.results = [*self.attempt.run.results, (self.call.task, result)]
        return outcome

    def raised(self, error: BaseException) -> Outcome:
        """The function has raised; or decoding, encoding or a stop has ended it."""
        attempt = self.attempt
        attempt.forced = attempt.forced or isinstance(error, Interrupted)
        ended = _ended(error, attempt.why)
        outcome = self._outcome(ended)
        if ended == Ended.TIMEOUT:
            error = JobTimeout(attempt.late or "ran out of time").with_traceback(error.__traceback__)
        elif ended == Ended.UNFIT:
            error = error.__cause__ or error
        elif isinstance(error, MemoryError) and attempt.run.memory_limit is not None:
            error.add_note(f"its memory_limit is {attempt.run.memory_limit:,} bytes")
        if isinstance(error, RetryJob):
            outcome.delay = error.delay
        if ended in _WITH_ERROR or (isinstance(error, JobSignal) and error.args):
            outcome.error = encode(capture(error, mask=self.shop.options.mask))
            outcome.types = class_names(error)
        return outcome

    def _outcome(self, ended: str, result: str | None = None) -> Outcome:
        attempt = self.attempt
        row = attempt.run.row
        outcome = Outcome(
            row.id,
            row.epoch,
            self.call.index,
            ended,
            result,
            more=self.more and ended == Ended.RETURNED,
            began=attempt.began,
            seconds=monotonic() - self.started,
        )
        if attempt.finished is not None:
            # Whether that was committed only the claimer sees: it has the ops behind run, with what is stored.
            outcome.finished_by_user = True
            outcome.more = False
            attempt.finished = None
        return outcome

    def _values(self) -> list[tuple[list[str | int], Any]]:
        values = [(value.path, self.shop.result(value.task, value.result)) for value in self.call.values]
        results = self.attempt.run.results
        return values + [(path, self.shop.result(*results[index])) for path, index in self.call.op_refs]


_WITH_ERROR = frozenset({Ended.RAISED, Ended.TIMEOUT, Ended.RETRY, Ended.UNFIT})


def _ended(error: BaseException, why: str | None) -> str:
    """How an op ends that this exception ended, while the run was to stop for this reason (None: it was not)."""
    if isinstance(error, Unfit):
        return Ended.UNFIT
    if isinstance(error, CancelJob):
        return stopped(why)
    if isinstance(error, (Interrupted, asyncio.CancelledError)):
        return Ended.RAISED if why is None else stopped(why)
    if isinstance(error, JobSignal) and why in ("cancel", "lost"):
        return Ended.CANCELED
    return next((ended for kind, ended in _SIGNALS if isinstance(error, kind)), Ended.RAISED)
