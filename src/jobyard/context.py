"""
`ctx`: what a running task can do.

It is one object for everybody and finds the run by a context variable: the run of this thread, of this coroutine, or
of the code that started a thread with a copy of its context.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sized
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from jobyard.errors import BadArguments, UsageError

if TYPE_CHECKING:
    from jobyard.model.newjob import NewJob
    from jobyard.model.progress import Group
    from jobyard.model.rows import JobRow, OpRow

__all__ = ["Context", "Finish", "Link", "Parent", "Running", "ctx", "current_run"]

T = TypeVar("T")


class Parent(msgspec.Struct, frozen=True):
    """The run that enqueues a job: it may, as long as it holds its own."""

    id: int
    epoch: int


class Finish(msgspec.Struct, frozen=True):
    """The end of an op in the task's own transaction: `ctx.finish`."""

    row: JobRow
    op: int
    result: str | None
    """The encoded result."""
    last: bool
    """No op is left: the job ends."""
    result_status: str | None
    began: int
    """When the op's code began, in microseconds."""


class Link(msgspec.Struct, frozen=True):
    """
    What running code needs of the yard, which hands it to the worker.

    Attributes:
        make_job: the `Job` of a row (and of the rows of its ops, for a job of several).
        new_job: the job that `ctx.enqueue` with these ops and options would store.
        stored: the `Job` of a stored row; the flag says that it had existed.
        enqueue, aenqueue: the same on the caller's connection: (connection, ops, options, parent) -> Job.
        finish, afinish: end the op on the caller's connection, or raise `StaleRun`.
        started, stopped: called when a process begins to serve, and when it ends.
    """

    make_job: Callable[[JobRow, list[OpRow] | None], Any]
    new_job: Callable[[tuple[Any, ...], dict[str, Any]], NewJob]
    stored: Callable[[JobRow, bool], Any]
    enqueue: Callable[[Any, tuple[Any, ...], dict[str, Any], Parent], Any]
    aenqueue: Callable[[Any, tuple[Any, ...], dict[str, Any], Parent], Awaitable[Any]]
    finish: Callable[[Any, Finish], None]
    afinish: Callable[[Any, Finish], Awaitable[None]]
    started: Callable[[], None] = lambda: None
    stopped: Callable[[], None] = lambda: None


class Running(Protocol):
    """The run behind `ctx`, as the worker implements it."""

    canceling: bool
    result_status: str | None

    @property
    def job(self) -> Any: ...
    @property
    def op(self) -> Any: ...
    @property
    def number(self) -> int: ...
    def report(self, group: Group, current: float, total: float | None, status: str) -> None: ...
    def beat(self, logtail: str) -> None: ...
    def enqueue(self, ops: tuple[Any, ...], connection: Any, options: dict[str, Any]) -> Any: ...
    async def aenqueue(self, ops: tuple[Any, ...], connection: Any, options: dict[str, Any]) -> Any: ...
    def finish(self, result: Any, connection: Any) -> None: ...
    async def afinish(self, result: Any, connection: Any) -> None: ...
    def check_canceled(self) -> None: ...


current_run: ContextVar[Running | None] = ContextVar("jobyard_run", default=None)
"""The run that this code belongs to; set by the slots of the worker."""


class Context:
    """What a running task can do. Use the one object `ctx`; outside of a job all of it is a `UsageError`."""

    __slots__ = ()

    @property
    def job(self) -> Any:
        """The `Job` as it was when this attempt began."""
        return _run().job

    @property
    def op(self) -> Any:
        """The `Op` that is running."""
        return _run().op

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return _run().number

    def progress(self, current: float, total: float | None = None, group: Group = (), status: str = "") -> None:
        """
        Report how far the task is. Cheap: it is written at most 5 times a second, and at the end.

        Args:
            group: the path of a part of the work, as a tuple, a list or ``"a::b"``. A group without a report of its
                own shows the sum of its children.
        """
        _run().report(group, current, total, status)

    def track(self, iterable: Iterable[T], total: float | None = None, group: Group = ()) -> Iterator[T]:
        """The same items, with `progress` reported as they are used up; `total` is their number if that is known."""
        run = _run()
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        return _tracked(run, iterable, total, group)

    def heartbeat(self, logtail: str = "") -> None:
        """Say that the job is alive, and give the last lines of what it works on."""
        _run().beat(logtail)

    @property
    def canceling(self) -> bool:
        """The job is to stop: it was canceled, is out of time, or its worker stops."""
        return _run().canceling

    def check_canceled(self) -> None:
        """Raise `CancelJob` when the job is to stop. Call it where the work can be left."""
        _run().check_canceled()

    def enqueue(self, *ops: Any, connection: Any = None, **options: Any) -> Any:
        """
        Store one job of these ops and return it. Refused when this run is no longer the job's own.

        Args:
            connection: the caller's own: then the job exists if and only if that commits.
            options: as of `using`.

        Raises:
            StaleRun: the job was taken from this run.
        """
        return _run().enqueue(ops, connection, options)

    async def aenqueue(self, *ops: Any, connection: Any = None, **options: Any) -> Any:
        """`enqueue` for coroutines."""
        return await _run().aenqueue(ops, connection, options)

    def finish(self, result: Any = None, *, connection: Any) -> None:
        """
        End the op with this result in the caller's own transaction: work and outcome are committed together.

        What the function then returns or raises only reaches the log. After a rollback the ordinary outcome counts.

        Raises:
            StaleRun: the job was taken from this run; roll back.
        """
        _run().finish(result, connection)

    async def afinish(self, result: Any = None, *, connection: Any) -> None:
        """`finish` for coroutines and async connections."""
        await _run().afinish(result, connection)

    @property
    def result_status(self) -> str | None:
        """
        The result status this run ends with, such as ``success_partial``; None: the usual one.

        The job ends as the status says: when its function returns after it set one that is no success, the attempt has
        failed, and after ``killed`` the job is canceled.

        Raises:
            BadArguments: there is no such status, or it is ``reclaimed``, which is not for the run to say.
        """
        return _run().result_status

    @result_status.setter
    def result_status(self, status: str | None) -> None:
        from jobyard.model.definition import ResultStatus  # few tasks say one

        if status is not None and ResultStatus.checked(status, "ctx.result_status") is ResultStatus.RECLAIMED:
            msg = f"ctx.result_status={status!r}: that is said by who takes the job back, not by the run"
            raise BadArguments(msg)
        _run().result_status = status

    def __repr__(self) -> str:
        return "<ctx>" if current_run.get() is None else f"<ctx of {self.job!r}>"


ctx = Context()


def _run() -> Running:
    run = current_run.get()
    if run is None:
        msg = "ctx works inside a running job only; a thread started by a task needs a copy of its context"
        raise UsageError(msg)
    return run


def _tracked(run: Running, iterable: Iterable[T], total: float | None, group: Group) -> Iterator[T]:
    run.report(group, 0, total, "")
    for count, item in enumerate(iterable, 1):
        yield item
        run.report(group, count, total, "")
