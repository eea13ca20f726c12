"""One call of a task, within a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobyard.model.instants import from_micros
from jobyard.model.newjob import NewOp
from jobyard.model.rows import OpRow
from jobyard.model.states import Status
from jobyard.model.text import shorten

if TYPE_CHECKING:
    from jobyard.model.traceback import RemoteError

__all__ = ["Attempt", "LogEntry", "Op"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of a job's log. `serial` counts from 1 over all ops and attempts of the job."""

    serial: int
    op: int
    at: datetime
    level: int
    logger: str
    message: str
    traceback: str | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a job. `outcome` is the status it ended with, ``crashed``, or ``running`` while it goes on."""

    number: int
    worker: str | None
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str
    error: RemoteError | None = None


class Op:
    """
    One call of a task.

    `started_at` is when the op was taken up and `exec_at` when its code began. `result` is None until it succeeded.
    """

    __slots__ = (
        "_log",
        "args",
        "ended_at",
        "error",
        "exec_at",
        "index",
        "kwargs",
        "new",
        "priority",
        "result",
        "started_at",
        "status",
        "task",
    )

    def __init__(
        self,
        task: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        index: int = 0,
        status: Status = Status.QUEUED,
        priority: int = 0,
        result: Any = None,
        error: RemoteError | None = None,
        log: list[LogEntry] | Callable[[], list[LogEntry]] | None = None,
        started_at: datetime | None = None,
        exec_at: datetime | None = None,
        ended_at: datetime | None = None,
        new: NewOp | None = None,
    ) -> None:
        self.task = task
        self.args = tuple(args)
        self.kwargs = dict(kwargs or {})
        self.index = index
        self.status = Status(status)
        self.priority = priority
        self.result = result
        self.error = error
        self.started_at = started_at
        self.exec_at = exec_at
        self.ended_at = ended_at
        self.new = new
        """The op as `enqueue` takes it; None for one read from a store."""
        self._log: Any = log if log is not None else []

    @classmethod
    def of_row(
        cls,
        row: OpRow,
        status: Status,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: Any,
        error: RemoteError | None,
        log: Callable[[], list[LogEntry]],
    ) -> Op:
        """An op as it was read. *log* is a callable that reads its entries when they are asked for."""
        return cls(
            row.task,
            args,
            kwargs,
            index=row.index,
            status=status,
            priority=row.priority,
            result=result,
            error=error,
            log=log,
            started_at=from_micros(row.started_at),
            exec_at=from_micros(row.exec_at),
            ended_at=from_micros(row.ended_at),
        )

    @property
    def log(self) -> list[LogEntry]:
        """The log entries of this op."""
        if callable(self._log):
            self._log = self._log()
        return list(self._log)

    @property
    def call(self) -> str:
        """The call in words: the task and its arguments, shortened."""
        shown = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{self.task}({shorten(', '.join(shown), 60)})"

    def __repr__(self) -> str:
        return f"<Op {self.call} {self.status}>"
