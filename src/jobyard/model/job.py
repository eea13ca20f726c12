"""
The durable unit of work, as users hold it.

A `Job` is a snapshot. One that came from a yard acts on the store through the small `Control` that the yard fills in;
one made with ``Job(queue, id, ops)``, or restored without a yard, stands alone and its methods act on the object.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jobyard.errors import BadArguments, InvalidTransition, JobCanceled, JobFailed, NotFinished
from jobyard.model import standalone
from jobyard.model.control import Control
from jobyard.model.fields import field_reader
from jobyard.model.instants import from_micros
from jobyard.model.newjob import JobOptions, options_of
from jobyard.model.op import Attempt, LogEntry, Op
from jobyard.model.references import Reference, Retval
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import DEFAULT_PRIORITY, FINAL, STATUSES, Status, calc_priority, calc_status

if TYPE_CHECKING:
    from jobyard.model.progress import Progress
    from jobyard.model.traceback import RemoteError
    from jobyard.model.why import Reason

__all__ = ["Job"]

R = TypeVar("R")
T = TypeVar("T")


class Job(Reference, Generic[R]):
    """
    An ordered list of one or more ops, run one after another.

    Two jobs of one store with the same id are equal. Share one object between threads only under a lock of your own;
    races between actions are decided by the store. Given as an argument to another task, a job stands for its result.
    """

    __slots__ = ("_control", "_op_rows", "_ops", "_own_ops", "_row", "existing", "yard")

    def __init__(self, queue: str, id: int, ops: Iterable[Op]) -> None:
        self._row = standalone.new_row(queue, id)
        self._ops: list[Op] | None = standalone.numbered(ops)
        self._op_rows: list[OpRow] | None = None
        self._own_ops = True
        self._control: Control | None = None
        self.yard: Any = None
        """The yard that the job acts on, or None."""
        self.existing = False
        """`enqueue` found this job by its unique key or token instead of making one."""

    @classmethod
    def of_row(
        cls,
        row: JobRow,
        control: Control | None,
        yard: Any = None,
        *,
        existing: bool = False,
        ops: list[OpRow] | None = None,
    ) -> Job[Any]:
        """The job of a stored row, and of those of its ops if they are known already."""
        job = cls.__new__(cls)
        job._row = row
        job._ops = None
        job._op_rows = ops
        job._own_ops = False
        job._control = control
        job.yard = yard
        job.existing = existing
        return job

    @classmethod
    def restore(cls, state: Mapping[str, Any], yard: Any = None) -> Job[Any]:
        """
        Make a job from what `serialize` gave.

        Missing times become None and missing priorities 0. With a *yard*, its methods act on the stored job.

        Raises:
            BadArguments: the state lacks its id or ops, or an op its task or status.
        """
        job = cls.__new__(cls)
        job._row, job._ops = standalone.restored(state)
        job._own_ops = True
        job._control = yard.control if yard is not None else None
        job.yard = yard
        job.existing = False
        return job

    def serialize(self) -> dict[str, Any]:
        """
        The job as JSON-able data, ops with their logs.

        Status, priority, `existing` and the yard are not in it: they follow from the rest, or are made anew.
        """
        return standalone.serialized(self._row, self.ops)

    @property
    def id(self) -> int:
        return self._row.id

    @property
    def status(self) -> Status:
        if self._own_ops:
            return calc_status(op.status for op in self._ops or ())
        return STATUSES[self._row.status]

    @property
    def priority(self) -> int:
        """The most urgent priority of the unfinished ops; 0 when there are none."""
        if self._own_ops:
            return self.calc_priority()
        return DEFAULT_PRIORITY if self.status in FINAL else self._row.priority

    @property
    def queue(self) -> str:
        return self._row.queue

    @property
    def ops(self) -> list[Op]:
        if self._ops is None:
            assert self._control is not None
            self._ops = self._control.ops(self._row, self._op_rows)
        return self._ops

    @property
    def options(self) -> JobOptions:
        return options_of(self._row.options)

    @property
    def title(self) -> str:
        """What people see: the title given, else the task of the first op."""
        return self.options.title or (
            self._row.task if self._row.op_count == 1 and self._row.task else self.ops[0].task
        )

    @property
    def tags(self) -> tuple[str, ...]:
        return self.options.tags

    @property
    def attempt(self) -> int:
        """The number of the current or last attempt; 0 before the first."""
        return self._row.attempt

    @property
    def epoch(self) -> int:
        """Grows with every claim and every reclaim, and never shrinks: the number of a run."""
        return self._row.epoch

    @property
    def attempts(self) -> list[Attempt]:
        """All attempts, the current or last one included, oldest first."""
        return self._control.attempts(self._row) if self._control else []

    @property
    def due(self) -> datetime:
        return from_micros(self._row.due)

    @property
    def requester(self) -> str | None:
        return self._row.requester

    @property
    def definition(self) -> str | None:
        return self._row.definition

    @property
    def received_at(self) -> datetime:
        return from_micros(self._row.received_at)

    @property
    def started_at(self) -> datetime | None:
        return from_micros(self._row.started_at)

    @property
    def ended_at(self) -> datetime | None:
        return from_micros(self._row.ended_at)

    @property
    def worker(self) -> str | None:
        """The name of the worker that holds the job, or held it last."""
        found = self._worker()
        return found[0] if found else None

    @property
    def machine(self) -> str | None:
        found = self._worker()
        return self._row.machine or (found[1] if found else None)

    @property
    def heartbeat(self) -> datetime | None:
        """The last sign of life while running: the job's own, or its worker's where that is later."""
        found = self._worker() if self.status in (Status.RUNNING, Status.CANCELING) else None
        beats = [beat for beat in (self._row.heartbeat, found[2] if found else None) if beat is not None]
        return from_micros(max(beats, default=None))

    @property
    def logtail(self) -> str | None:
        return self._row.logtail

    @property
    def log_serial(self) -> int:
        """The highest serial of the job's log; 0 while it is empty."""
        if self._own_ops:
            return max((entry.serial for op in self.ops for entry in op.log), default=0)
        return self._row.log_serial

    @property
    def progress(self) -> list[Progress]:
        """The progress groups as they were reported."""
        return self._control.progress(self.id) if self._control else []

    @property
    def result(self) -> R:
        """
        The value that the last op returned; None if the job was skipped.

        Raises:
            JobFailed: the job failed; its text ends with the remote traceback.
            JobCanceled: the job was canceled.
            NotFinished: the job has not ended; `wait` first.
        """
        status = self.status
        if status is Status.SUCCEEDED:
            result: R = self.ops[-1].result
            return result
        if status is Status.SKIPPED:
            return None  # type: ignore[return-value]
        if status is Status.FAILED:
            error = self.error
            msg = f"job {self.id} ({self.title}) failed:\n{error}" if error else f"job {self.id} ({self.title}) failed"
            raise JobFailed(msg, error) from error
        if status is Status.CANCELED:
            error = self.error
            why = f": {error.message}" if error and error.message else ""
            msg = f"job {self.id} ({self.title}) was canceled{why}"
            raise JobCanceled(msg)
        msg = f"job {self.id} ({self.title}) is {status}: wait() for its end first"
        raise NotFinished(msg)

    @property
    def error(self) -> RemoteError | None:
        """The error of the last failed attempt; of a canceled job, why it was canceled."""
        if self._own_ops:
            return next((op.error for op in self.ops if op.status is Status.FAILED and op.error), None)
        return self._control.error(self._row.error) if self._control else None

    def calc_status(self) -> Status:
        """The status by Ganeti's table over the statuses of the ops."""
        return calc_status(op.status for op in self.ops)

    def calc_priority(self) -> int:
        """The most urgent priority of the unfinished ops; 0 when there are none."""
        return calc_priority((op.status, op.priority) for op in self.ops)

    def get_log_entries(self, newer_than: int | None = None) -> list[LogEntry]:
        """The log entries with a serial above *newer_than*, all for None; read from the store for a stored job."""
        if self._control is not None:
            return self._control.log_entries(self.id, newer_than)
        entries = [entry for op in self.ops for entry in op.log]
        return [entry for entry in entries if newer_than is None or entry.serial > newer_than]

    def get_info(self, fields: Sequence[str]) -> list[Any]:
        """
        One value for each of *fields*, in their order: our names and those of Ganeti (``opstatus``, ``start_ts``, ...).

        Raises:
            UnknownField: naming the first field that jobs do not have.
        """
        readers = [field_reader(name) for name in fields]
        return [read(self) for read in readers]

    def mark_unfinished_ops(self, status: Status | str, result: Any = None) -> None:
        """
        Set status and result of every unfinished op.

        On a stored job the status must be final: the job ends with it, and a worker that runs it is fenced off.
        """
        if self._control is not None:
            self._take(self._control.mark_unfinished_ops(self.id, standalone.check_status(status), result))
        else:
            standalone.mark_unfinished(self.ops, standalone.check_status(status), result)

    def finalize(self) -> None:
        """
        Set `ended_at`, once every op has ended.

        Raises:
            InvalidTransition: an op is unfinished.
        """
        if self._control is not None:
            self.refresh()
        open_op = next((op for op in self.ops if op.status not in FINAL), None)
        if open_op is not None:
            msg = f"job {self.id} cannot be finalized: op {open_op.index} ({open_op.task}) is {open_op.status}"
            raise InvalidTransition(msg)
        if self._row.ended_at is None:
            self._row.ended_at = standalone.now()

    def cancel(self) -> tuple[bool, str]:
        """
        Cancel the job if it has not ended: at once if nobody runs it, else its code is told.

        Returns:
            Whether it was canceled or will be, and a text that says so. A second cancel is ``(False, ...)``.
        """
        if self._control is None:
            return standalone.cancel(self._row, self.ops)
        return self._and_refresh(self._control.cancel(self.id))

    def change_priority(self, priority: int) -> tuple[bool, str]:
        """
        Set the priority of every op that has not begun (-20 is the most urgent, 19 the least).

        Returns:
            Whether anything was changed, and a text that says so.
        """
        if self._control is None:
            return standalone.change_priority(self._row, self.ops, priority)
        return self._and_refresh(self._control.change_priority(self.id, priority))

    def refresh(self) -> Job[R]:
        """Read the job again, into this object."""
        return self._take(self._stored().row(self.id))

    def wait(self, timeout: float | None = None) -> Job[R]:
        """
        Wait until the job has ended, and refresh it.

        Raises:
            WaitTimeout: it had not ended after *timeout* seconds; it goes on.
        """
        return self._take(self._stored().wait(self.id, timeout))

    def retry(self) -> Job[R]:
        """
        Run an ended job again, from the op that failed, with a full set of attempts.

        Raises:
            InvalidTransition: the job has not ended, or another job has its unique key by now.
        """
        return self._take(self._stored().retry(self.id))

    def suspend(self) -> Job[R]:
        """
        Put the job aside until `resume`.

        Raises:
            InvalidTransition: the job runs or has ended.
        """
        return self._take(self._stored().suspend(self.id))

    def resume(self) -> Job[R]:
        """
        Let a suspended job go on.

        Raises:
            InvalidTransition: the job is not suspended.
        """
        return self._take(self._stored().resume(self.id))

    def run_now(self) -> Job[R]:
        """
        Make a scheduled job due, ahead of the automatic ones of its priority.

        Raises:
            InvalidTransition: the job is neither scheduled nor queued.
        """
        return self._take(self._stored().run_now(self.id))

    def why(self) -> list[Reason]:
        """What the job waits for, in words and as data; empty if it runs or has ended."""
        return self._stored().why(self.id)

    def stack(self, timeout: float = 5.0) -> Any:
        """
        The Python stack of the running job, with locals, asked of its worker; of an ended one what a timeout left.

        Raises:
            InvalidTransition: the job does not run and left no stack.
            WaitTimeout: the worker did not answer within *timeout* seconds.
        """
        return self._stored().stack(self.id, timeout)

    async def arefresh(self) -> Job[R]:
        return await _in_thread(self.refresh)

    async def await_(self, timeout: float | None = None) -> Job[R]:
        """
        The async twin of `wait`, whose name with a leading ``a`` would be a keyword.

        ``await job`` is the same without a timeout.
        """
        return self._take(await self._stored().await_(self.id, timeout))

    def __await__(self) -> Generator[Any, None, Job[R]]:
        return self.await_().__await__()

    async def acancel(self) -> tuple[bool, str]:
        return await _in_thread(self.cancel)

    async def aretry(self) -> Job[R]:
        return await _in_thread(self.retry)

    async def asuspend(self) -> Job[R]:
        return await _in_thread(self.suspend)

    async def aresume(self) -> Job[R]:
        return await _in_thread(self.resume)

    async def achange_priority(self, priority: int) -> tuple[bool, str]:
        return await _in_thread(self.change_priority, priority)

    async def arun_now(self) -> Job[R]:
        return await _in_thread(self.run_now)

    async def awhy(self) -> list[Reason]:
        return await _in_thread(self.why)

    async def astack(self, timeout: float = 5.0) -> Any:
        return await _in_thread(self.stack, timeout)

    def as_retval(self) -> Retval:
        return Retval(job=self)

    def _stored(self) -> Control:
        if self._control is None:
            msg = f"job {self.id} stands alone: it did not come from a yard, so there is no store to ask"
            raise BadArguments(msg)
        return self._control

    def _worker(self) -> tuple[str, str, int] | None:
        if self._control is None or self._row.worker is None:
            return None
        return self._control.worker(self._row.worker)

    def _take(self, row: JobRow) -> Job[R]:
        self._row = row
        self._ops, self._op_rows = None, None
        self._own_ops = False
        return self

    def _and_refresh(self, answer: tuple[bool, str]) -> tuple[bool, str]:
        self.refresh()
        return answer

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Job):
            return NotImplemented
        if self._control is None or other._control is None:
            return self is other
        return self.id == other.id and self._control.identity == other._control.identity

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        tasks = ", ".join(op.task for op in self.ops) if self._ops or self._row.op_count != 1 else self._row.task
        return f"<Job {self.id} {self.status} {tasks}>"


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    import asyncio  # here, since it costs more to import than the rest of jobyard

    return await asyncio.to_thread(function, *args)
