"""
The workflow of work on machines: how the jobs of definitions are made, asked for, started, kept alive and ended.

This is the door for runners that are no workers of ours. They take a job for their machine, beat while it runs, and
finish it with a result status and a log. A pending job is a scheduled, queued, waiting or suspended one; a running one
may be canceling.

Rule: each operation looks at its preconditions and writes in one transaction. A broken one is `PreconditionFailed`,
which names the object and its state, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from jobyard.config import Settings
from jobyard.errors import BadArguments, MissingDependencies, PreconditionFailed
from jobyard.model.definition import (
    DefinitionState,
    ResultStatus,
    first_slot,
    recurrence_key,
    result_of,
)
from jobyard.model.faults import fault, foreign_fault
from jobyard.model.job import Job
from jobyard.model.machine import MachineState
from jobyard.model.messages import Ended, Outcome
from jobyard.model.newjob import options_of
from jobyard.model.outcome import Decision
from jobyard.model.rows import JobRow
from jobyard.model.states import FINAL, HELD, STATUSES, Status
from jobyard.store import Store
from jobyard.store.again import again
from jobyard.store.driver import Transaction
from jobyard.store.jobs import as_read
from jobyard.store.plans import run
from jobyard.store.settle import Settled, Settlement, settle
from jobyard.task import checks

__all__ = ["Named", "Workflow"]

_SECOND = 1_000_000
_PENDING = frozenset(Status) - FINAL - HELD
_ENDED = {Status.SUCCEEDED: Ended.RETURNED, Status.FAILED: Ended.RAISED, Status.CANCELED: Ended.CANCELED}
_STARTABLE = frozenset({Status.SCHEDULED, Status.QUEUED})


class Named(Protocol):
    """A definition or a machine, as an object."""

    @property
    def name(self) -> str: ...


class Workflow:
    """
    The operations, on one store.

    A `Job` that is given is refreshed by what is done to it. One that was refreshed while it ran stands for that run:
    once the job was reclaimed, it can neither beat nor finish it. A number stands for whatever run there is.
    """

    def __init__(self, store: Store, settings: Settings, job: Callable[[JobRow], Job[Any]]) -> None:
        self._store = store
        self._settings = settings
        self._job = job

    @again
    def new_job(self, definition: Named | str, interval: float | str | None = None) -> Job[Any]:
        """
        Make the next job of an active definition that has none.

        Args:
            definition: object or name.
            interval: from the start of its newest result to this job; by default the definition's own. Ignored for the
                first job, which is due now, like any that would be due in the past.

        Raises:
            BadArguments: the interval is no duration.
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is not active, or has a job.
        """
        name, wait = _name(definition), None if interval is None else checks.duration(interval, "interval")
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._store.definitions.lock(tx, name)
            if row.state != DefinitionState.ACTIVE:
                raise _refused(f"definition {name} is {row.state}, not active")
            if (holder := self._holder(tx, name, now)) is not None:
                raise _refused(f"definition {name} has a job already: {_what(holder)} is {STATUSES[holder.status]}")
            [stored] = run(self._store.jobs.recurrence.make([(row, first_slot(row, now, wait))], now), tx)
        self._tell(ready=True)
        return self._job(as_read(stored.row, now))

    @again
    def delete_pending_job(self, definition: Named | str) -> Job[Any]:
        """
        Cancel the job of a definition that is not active; it is no result and no failure.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is active, has no job, or the job runs.
        """
        name = _name(definition)
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._store.definitions.lock(tx, name)
            if row.state == DefinitionState.ACTIVE:
                raise _refused(f"definition {name} is active, so its job stays")
            if (holder := self._holder(tx, name, now)) is None:
                raise _refused(f"definition {name} has no job")
            _check_pending(holder)
            self._store.control.cancel(tx, holder.id, self._settings.user, now)
        self._tell()
        return self._fresh(holder.id)

    @again
    def request_job(self, job: Job[Any] | int, user: str | None = None) -> Job[Any]:
        """
        Have a pending job run as soon as possible, ahead of automatic ones of its priority.

        It is due now if it was due later. One that waits or is suspended still does.

        Raises:
            PreconditionFailed: it is not pending, or was requested before; then its requester is named.
        """
        id, who = _id(job), checks.key(user or self._settings.user or "somebody", "user")
        with self._store.transaction() as tx:
            self._store.control.request(tx, id, who, self._store.now())
        self._tell(ready=True)
        return self._fresh(job)

    @again
    def start_job(self, job: Job[Any] | int, machine: Named | str) -> Job[Any]:
        """
        Give a scheduled or queued job to a machine, whose runner is about to begin with it.

        From now on the job is reclaimed if it is not beaten for `reclaim_after`.

        Raises:
            UnknownMachine: there is none of this name.
            PreconditionFailed: the job is not scheduled or queued, the machine is not online, or a definition that this
                job takes the result of has no successful build.
        """
        name = _name(machine)
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._row(tx, job, now)
            if STATUSES[row.status] not in _STARTABLE:
                raise _refused(f"{_what(row)} is {STATUSES[row.status]}, neither scheduled nor queued")
            if (state := self._store.machines.lock(tx, name).state) is not MachineState.ONLINE:
                raise _refused(f"machine {name} is {state}, not online")
            _, missing = self._start(tx, row.id, name, now)
            if missing:
                raise _refused(f"{_what(row)} is {STATUSES[row.status]}, but {missing}")
        self._tell(ready=True)
        return self._fresh(job)

    @again
    def update_heartbeat(self, job: Job[Any] | int, logtail: str = "", *, epoch: int | None = None) -> Job[Any]:
        """
        Say that a job still runs, and keep the last few lines of its output for people to see.

        Look at the status of the returned job: if it is ``canceling``, end the run and finish it as ``killed``.

        Args:
            job: object or id.
            logtail: replaces the lines that were kept before.
            epoch: of the run that is meant; by default that of the object.

        Raises:
            PreconditionFailed: it does not run, or was reclaimed from this run.
        """
        lines = checks.title(logtail, "logtail")
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._held(tx, job, now, epoch)
            self._store.jobs.beat(tx, row.id, row.epoch, lines, now)
        return self._fresh(job)

    @again
    def finish_job(
        self,
        job: Job[Any] | int,
        status: ResultStatus | str,
        logfile: bytes | str | BinaryIO | None = None,
        *,
        epoch: int | None = None,
    ) -> Job[Any]:
        """
        End a running job: it becomes a result of its definition, which gets its next job.

        Args:
            job: object or id.
            status: how the run ended. The three ``success`` ones make the job succeeded, ``killed`` makes it canceled,
                all others failed; the retry policy of the task does not apply.
            logfile: what the run has said, as bytes, text or an open file; None or empty for no log.
            epoch: of the run that is meant; by default that of the object.

        Raises:
            BadArguments: there is no such result status, or the log is none of these.
            PreconditionFailed: it does not run, or was reclaimed from this run.
        """
        result, log, user = ResultStatus.checked(status, "status"), _bytes(logfile), self._settings.user
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._held(tx, job, now, epoch)
            if result is ResultStatus.KILLED:
                self._event(tx, "kill", row, now, user)
            settlement = self._end(tx, row, result, now, user=user)
            self._store.files.put(tx, row.id, log, now)
            if row.definition is None:
                self._event(tx, "finish", row, now, user, status=result.value)
            self._released(tx, row, now)
        self._tell(ready=settlement.ready)
        return self._fresh(job)

    @again
    def reclaim_job(self, job: Job[Any] | int, *, epoch: int | None = None) -> Job[Any]:
        """
        Take a running job from whoever has it.

        A job of a recurrence ends with the result ``reclaimed``, and its definition, if it is active, has a new one
        that is due now. Any other goes back to its queue. One that is canceling is canceled in either case: its result
        is ``killed``, and the next of a recurrence is due as after any failure. The run can no longer write to it.

        Raises:
            PreconditionFailed: it does not run, or was reclaimed already.
        """
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._held(tx, job, now, epoch)
            settlement = self._store.reclaimer.by_hand(
                tx, row, user=self._settings.user, max_crashes=self._settings.max_crashes, now=now
            )
            self._released(tx, row, now)
        self._tell(ready=settlement.ready)
        return self._fresh(job)

    @again
    def get_job_for_machine(self, name: Named | str, limit: int, queue: str | None = None) -> Job[Any] | None:
        """
        Take the best job that is due for a machine and start it there; None if there is none, or none to be had.

        First what is stale anywhere is reclaimed. A machine that nobody knew is made, online. One that is offline gets
        nothing; one that is quiescing gets nothing and goes offline when it is empty.

        Args:
            name: of the machine.
            limit: how many jobs its foreign runners may have at the same time.
            queue: only of this queue; by default of all. Give work for foreign runners a queue that no worker serves.
        """
        machine = _name(name)
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            msg = f"limit={limit!r}: give how many jobs the machine may have at the same time"
            raise BadArguments(msg)
        queue = _queue(queue)
        self.reclaim_stale()
        with self._store.transaction() as tx:
            now = self._store.now()
            row = self._take(tx, machine, queue, now) if self._takes_jobs(tx, machine, limit, now) else None
        if row is None:
            return None
        self._tell(ready=True)
        return self._fresh(row.id)

    def is_job_due(self, queue: str | None = None) -> bool:
        """Whether `get_job_for_machine` may find something: a look that writes nothing."""
        queue, now = _queue(queue), self._store.now()
        with self._store.read() as tx:
            known = self._store.queues.all(tx)
            offering = self._store.machines.offering(tx, now)
        return any(queue in (None, name) and not (name in known and known[name].paused) for name in offering)

    @again
    def reclaim_stale(self) -> list[Job[Any]]:
        """Reclaim what foreign runners have and did not beat for longer than `reclaim_after`, as any worker does."""
        now = self._store.now()
        before = now - round(self._settings.reclaim_after * _SECOND)
        with self._store.read() as tx:
            if not self._store.machines.any_stale(tx, before):
                return []
        with self._store.transaction() as tx:
            done = self._store.reclaimer.reclaim_stale(
                tx, before=before, max_crashes=self._settings.max_crashes, now=now
            )
        if done.jobs:
            self._tell(ready=done.ready)
        return [self._fresh(item.row.id) for item in done.jobs]

    def _holder(self, tx: Transaction, definition: str, now: int) -> JobRow | None:
        row = self._store.jobs.unique_holder(tx, recurrence_key(definition))
        return None if row is None else as_read(row, now)

    def _row(self, tx: Transaction, job: Job[Any] | int, now: int) -> JobRow:
        return as_read(self._store.jobs.lock(tx, _id(job)), now)

    def _held(self, tx: Transaction, job: Job[Any] | int, now: int, epoch: int | None = None) -> JobRow:
        """The row of a running job, if the run that is meant still has it."""
        row = self._row(tx, job, now)
        if STATUSES[row.status] not in HELD:
            raise _refused(f"{_what(row)} is {_state(row)}, not running")
        if epoch is None and isinstance(job, Job) and job.status in HELD:
            epoch = job.epoch
        if epoch is not None and epoch != row.epoch:
            raise _refused(f"{_what(row)} is {_state(row)}, but was reclaimed from this run and is another's")
        return row

    def _takes_jobs(self, tx: Transaction, name: str, limit: int, now: int) -> bool:
        machines = self._store.machines
        known = machines.find(tx, name)
        if known is None:
            machines.register(tx, name, now)
        elif known.state is MachineState.OFFLINE:
            return False
        else:
            machines.beat(tx, name, now)
        if known is not None and known.state is MachineState.QUIESCING:
            machines.retire(tx, name, now)
            return False
        return machines.count_held(tx, name) < limit

    def _take(self, tx: Transaction, machine: str, queue: str | None, now: int) -> JobRow | None:
        jobs = self._store.jobs
        jobs.promote(tx, now)
        self._store.control.end_expired(tx, jobs.ask_expired(tx, now)(), now)
        known = self._store.queues.all(tx)
        wanted = jobs.ready_queues(tx) if queue is None else [queue]
        queues = [name for name in wanted if name not in known or not known[name].paused]
        while (id := self._store.machines.best(tx, queues)) is not None:
            row, missing = self._start(tx, id, machine, now)
            if row is not None and not missing:
                return row
            if row is not None:
                self._end(tx, row, ResultStatus.FAILURE, now, error=fault(MissingDependencies(missing)))
        return None

    def _start(self, tx: Transaction, id: int, machine: str, now: int) -> tuple[JobRow | None, str]:
        """Start a job; also, in words, what it lacks and must not run without."""
        row = self._store.machines.start(tx, id, machine, now)
        if row is None:
            return None, ""
        if row.definition is None:
            self._event(tx, "start", row, now, self._settings.user)
            return row, ""
        missing = run(self._store.jobs.recurrence.started([row], now, self._settings.user), tx).get(id)
        return row, f"there is no successful build of {', '.join(missing)}" if missing else ""

    def _end(
        self,
        tx: Transaction,
        row: JobRow,
        result: ResultStatus,
        now: int,
        *,
        user: str | None = None,
        error: str | None = None,
    ) -> Settlement:
        after = result.job_status
        if after is Status.FAILED and error is None:
            error = foreign_fault(row.machine, result)
        outcome = Outcome(
            row.id,
            row.epoch,
            row.cursor,
            _ENDED[after],
            error=error,
            result_status=None if result_of(after) is result else result.value,
        )
        ops = self._store.jobs.ops(tx, [row.id])[row.id] if row.op_count > 1 else None
        item = Settled(row, outcome, Decision(after), ops, user=user)
        return settle(tx, self._store.jobs, [item], self._store.queues.all(tx), row.machine or "", now)

    def _released(self, tx: Transaction, row: JobRow, now: int) -> None:
        """A run has lost its job, or given it up."""
        if row.worker is not None:
            self._store.requests.ask(tx, "lost", row, now)
        elif row.machine is not None:
            self._store.machines.retire(tx, row.machine, now)

    def _event(self, tx: Transaction, kind: str, row: JobRow, now: int, user: str | None, **data: str) -> None:
        self._store.events.add(
            tx, kind, now, user=user, job=row.id, definition=row.definition, machine=row.machine, data=data
        )

    def _tell(self, *, ready: bool = False) -> None:
        self._store.driver.notify(everywhere=ready)

    def _fresh(self, job: Job[Any] | int) -> Job[Any]:
        """The job as it is now; the object given, if one was."""
        if isinstance(job, Job):
            return job.refresh()
        now = self._store.now()
        with self._store.read() as tx:
            return self._job(as_read(self._store.jobs.get(tx, job), now))


def _check_pending(row: JobRow) -> None:
    if STATUSES[row.status] not in _PENDING:
        raise _refused(f"{_what(row)} is {_state(row)}, not pending")


def _refused(why: str) -> PreconditionFailed:
    return PreconditionFailed(f"{why}; nothing was written")


def _what(row: JobRow) -> str:
    return f"job {row.id} of definition {row.definition}" if row.definition else f"job {row.id}"


def _state(row: JobRow) -> str:
    """The status of a job in words; of one that has ended, also how."""
    status, said = STATUSES[row.status], options_of(row.options).result_status
    return f"{status} ({said})" if status in FINAL and said else str(status)


def _id(job: Job[Any] | int) -> int:
    id = job.id if isinstance(job, Job) else job
    if isinstance(id, bool) or not isinstance(id, int):
        msg = f"job={job!r}: give a job or its id"
        raise BadArguments(msg)
    return id


def _name(thing: Named | str) -> str:
    name = thing if isinstance(thing, str) else getattr(thing, "name", None)
    if name is None:
        msg = f"{thing!r}: give a definition or a machine, or its name"
        raise BadArguments(msg)
    return checks.name(name, "name")


def _queue(name: str | None) -> str | None:
    return None if name is None else checks.name(name, "queue")


def _bytes(log: bytes | str | BinaryIO | None) -> bytes:
    if log is None:
        return b""
    if isinstance(log, str):
        return log.encode(errors="backslashreplace")
    if isinstance(log, bytes | bytearray | memoryview):
        return bytes(log)
    if not hasattr(log, "read"):
        msg = f"logfile={log!r}: give bytes, a text or an open file"
        raise BadArguments(msg)
    return _bytes(log.read())
