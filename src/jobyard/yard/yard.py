"""The yard itself: a thin facade over the store, the registry and the settings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

from jobyard.config import Settings, load_settings
from jobyard.context import Link
from jobyard.errors import BadArguments, UsageError
from jobyard.model.codec import Codec, JsonCodec
from jobyard.model.events import Emitter, Event, Happening, JobEnqueued
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.op import Op
from jobyard.model.retry import Retry
from jobyard.model.states import CODES, Status
from jobyard.store import Store, TimeSource, open_store
from jobyard.store.events import EventFilter
from jobyard.store.filters import JobFilter, count_jobs, find_jobs
from jobyard.store.foreign import async_transaction_on, insert_plan, transaction_on
from jobyard.store.insert import Stored
from jobyard.store.plans import arun, run
from jobyard.task import CallKeywords, CallOptions, Decorator, Duration, Registry, new_job
from jobyard.yard import criteria
from jobyard.yard.changes import NO_CHANGE, Change, NoChange, change_of
from jobyard.yard.control import JobControl
from jobyard.yard.link import Linking
from jobyard.yard.queues import OPTIONS, UNSET, QueueInfo, QueueList, set_options
from jobyard.yard.statement import insert_statement
from jobyard.yard.waiting import still_running, until

if TYPE_CHECKING:
    from jobyard.builds import Storage
    from jobyard.definitions import Definitions
    from jobyard.store.prune import Pruned
    from jobyard.worker import Worker
    from jobyard.workflow import Workflow
    from jobyard.yard.machines import MachineList

__all__ = ["Yard"]

H = TypeVar("H", bound=Happening)
F = TypeVar("F", bound=Callable[[], object])

_log = logging.getLogger("jobyard")
_READY = frozenset({CODES["queued"], CODES["scheduled"]})
"""Workers are told of scheduled jobs too: those that sleep until the next due one must know of an earlier one."""
_COUNTED = ("queue", "status", "task", "definition", "requester", "priority")
_FOUND = TypeVar("_FOUND")


class Yard:
    """
    A place for tasks and jobs, at one store.

    Thread-safe; it opens nothing before its first use. A SQLite file is made and installed then.

    >>> yard = Yard("sqlite:///doctest.db")
    >>> @yard.task(name="double")
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> double(4)
    8

    Args:
        url: the store; by default the setting, else ``sqlite:///jobyard.db`` in the working directory.
        clock: tells the time instead of the database's clock, for tests: `jobyard.testing.Clock`.
        codec: how arguments and results are stored; by default typed JSON.
        settings: any of the settings, over file and environment.

    Raises:
        ConfigError: a setting is unknown or has a bad value.
    """

    def __init__(
        self, url: str | None = None, *, clock: TimeSource | None = None, codec: Codec | None = None, **settings: Any
    ) -> None:
        self.settings: Settings = load_settings({"url": url, **settings})
        self.codec: Codec = codec or JsonCodec()
        self.emitter = Emitter()
        self.tasks = Registry()
        self.task = Decorator(self.tasks, self)
        """Makes a task of a function, an ``async def`` or a dataclass with ``run``: ``@yard.task(queue="images")``."""
        self._open(clock)
        self._started: list[Callable[[], object]] = []
        self._stopped: list[Callable[[], object]] = []

    def _open(self, clock: TimeSource | None) -> None:
        self._use(open_store(self.settings.url, busy_timeout=self.settings.busy_timeout, clock=clock), clock)

    def _use(self, store: Store, clock: TimeSource | None) -> None:
        self.clock = clock
        self.store = store
        self.control = JobControl(self.store, self.tasks, self.codec, lambda: self.settings.user)
        self.queues = QueueList(self.store, lambda: self.settings.user)
        for made_of_the_store in ("machines", "workflow"):
            self.__dict__.pop(made_of_the_store, None)

    @cached_property
    def definitions(self) -> Definitions:
        """The named recipes for jobs."""
        from jobyard.definitions import Definitions  # as below: callers who only enqueue do without

        return Definitions(self, lambda row: Job.of_row(row, self.control, self))

    @cached_property
    def machines(self) -> MachineList:
        """The hosts of workers."""
        from jobyard.yard.machines import MachineList

        return MachineList(self.store, self.control, lambda: self.settings.user)

    @cached_property
    def workflow(self) -> Workflow:
        """Recurring work on machines, as Launchpad's code imports have it."""
        from jobyard.workflow import Workflow

        return Workflow(self.store, self.settings, lambda row: Job.of_row(row, self.control, self))

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def max_payload(self) -> int:
        return self.settings.max_payload

    @property
    def builds(self) -> Storage:
        """The builds of this yard, by the storage interface of jobcontrol."""
        from jobyard.builds import Storage  # only those who come from there wait for it

        return Storage(self.store, self.tasks, self.codec, self.settings)

    def __repr__(self) -> str:
        return f"<Yard {self.store.location}>"

    def install(self) -> None:
        """Make the tables, if they are not there."""
        self.store.upgrade()

    def upgrade(self) -> list[int]:
        """Bring the tables to this version of jobyard; returns the numbers of the migrations applied."""
        return self.store.upgrade()

    def uninstall(self) -> None:
        """Drop the tables of jobyard, and with them all jobs."""
        self.store.uninstall()

    def close(self) -> None:
        """Close all connections. A later use opens new ones."""
        self.store.close()

    @contextmanager
    def at(self, url: str, *, clock: TimeSource | None = None) -> Iterator[Self]:
        """
        Have this yard, and all tasks that belong to it, use another store during the block: for tests.

        The store before is left as it was. Not while a worker of the yard runs.
        """
        settings, before = self.settings, (self.store, self.clock)
        self.settings = replace(self.settings, url=url)
        self._open(clock)
        try:
            yield self
        finally:
            self.close()
            self.settings = settings
            self._use(*before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def enqueue(self, *ops: Op, **options: Unpack[CallKeywords]) -> Job[Any]:
        """
        Store one job of these ops (``task.op(...)``), which run one after another.

        Args:
            options: those of ``task.using``.

        Raises:
            BadArguments: there is no op, or an option does not fit.
            QueueClosed: the queue is drained.
        """
        call = CallOptions().merged(options)
        return self.enqueue_new(new_job(ops, call, self.tasks), call.connection)

    async def aenqueue(self, *ops: Op, **options: Unpack[CallKeywords]) -> Job[Any]:
        """`enqueue` for coroutines: the event loop goes on meanwhile."""
        call = CallOptions().merged(options)
        return await self.aenqueue_new(new_job(ops, call, self.tasks), call.connection)

    def new(self, *ops: Op, **options: Unpack[CallKeywords]) -> NewJob:
        """The job that `enqueue` would store, for `enqueue_many`; nothing is stored."""
        call = CallOptions().merged(options)
        if call.connection is not None:
            msg = "connection= belongs to the call that stores: give it to enqueue_many(..., connection=)"
            raise UsageError(msg)
        return new_job(ops, call, self.tasks)

    def enqueue_many(self, jobs: Iterable[NewJob], *, connection: Any = None) -> list[Job[Any]]:
        """
        Store all of these jobs or none, in one transaction.

        In them ``after=[-1]`` and ``retval(-1)`` mean the job before in this list, as in Ganeti.

        Raises:
            UnknownJob: one depends on a job that does not exist.
            DependencyCycle: one depends on itself or on a later one.
            QueueClosed: a queue is drained.
        """
        new_jobs = _checked(jobs)
        stored = self._store(new_jobs, connection) if new_jobs else []
        return [Job.of_row(row, self.control, self, existing=existing) for row, existing in stored]

    async def aenqueue_many(self, jobs: Iterable[NewJob], *, connection: Any = None) -> list[Job[Any]]:
        """`enqueue_many` for coroutines; *connection* may be an async one."""
        new_jobs = _checked(jobs)
        if connection is None:
            import asyncio  # costs more to import than the rest of jobyard

            return await asyncio.to_thread(self.enqueue_many, new_jobs)
        transaction = await async_transaction_on(connection, self.store)
        stored = await arun(insert_plan(self.store, new_jobs), transaction)
        return [Job.of_row(row, self.control, self, existing=existing) for row, existing in stored]

    def enqueue_new(self, new: NewJob, connection: Any = None) -> Job[Any]:
        """Store one `NewJob`, on the caller's connection if one is given."""
        _check(new)
        [stored] = self._store([new], connection)
        return Job.of_row(stored.row, self.control, self, existing=stored.existing)

    async def aenqueue_new(self, new: NewJob, connection: Any = None) -> Job[Any]:
        """`enqueue_new` for coroutines."""
        [job] = await self.aenqueue_many([new], connection=connection)
        return job

    def build(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | int | None] | None = None,
    ) -> Job[Any]:
        """
        Store a build of a definition by hand, and in the same transaction all builds that it needs.

        Each direct dependency is its pinned build, else a new one where that is wanted, else its latest successful one.
        The build keeps a snapshot of its definition: later changes touch later builds only.

        Args:
            name: of the definition.
            build_deps: also build dependencies that have no successful build.
            build_revdeps: also build, once each and in order, every definition that depends on what is built, pinned to
                these builds.
            pins: the build to take (a job or its id) of a definition, or None for a new one.

        Raises:
            UnknownDefinition: there is none of this name.
            MissingDependencies: a dependency has no successful build; nothing is stored.
            PreconditionFailed: the definition is retired.
        """
        return self.definitions.build(name, build_deps, build_revdeps, pins)

    def insert_statement(self, new: NewJob, paramstyle: str = "named") -> tuple[str, Any]:
        """
        One statement, and its parameters, that stores a simple job on a connection jobyard does not know.

        Args:
            new: what ``task.new(...)`` made: one op, without dependencies, unique key, token or expiry.
            paramstyle: ``named`` (``:x``), ``qmark`` (``?``), ``format`` (``%s``), ``pyformat`` (``%(x)s``),
                ``numeric`` (``:1``) or ``numeric_dollar`` (``$1``).

        Raises:
            UsageError: the job is not of that kind. A drained queue takes none either: no row is inserted then.
        """
        _check(new)
        return insert_statement(self.store, new, paramstyle)

    def job(self, id: int) -> Job[Any]:
        """The job with this id. Raises `UnknownJob`."""
        if isinstance(id, bool) or not isinstance(id, int):
            msg = f"id={id!r}: the id of a job is a whole number"
            raise BadArguments(msg)
        return Job.of_row(self.control.row(id), self.control, self)

    def jobs(
        self,
        *,
        status: Status | str | Collection[Status | str] | None = None,
        queue: str | Collection[str] | None = None,
        task: str | Collection[str] | None = None,
        definition: str | None = None,
        requester: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order: Literal["id", "-id"] = "-id",
        limit: int | None = 100,
    ) -> list[Job[Any]]:
        """
        The jobs that fit, newest first.

        Args:
            since: received at or after this instant.
            until: received before this instant.
            order: ``"id"`` for oldest first.
            limit: the most that come back; None for all.
        """
        if order not in ("id", "-id"):
            msg = f"order={order!r}: give 'id' (oldest first) or '-id'"
            raise BadArguments(msg)
        filter = JobFilter(
            statuses=criteria.statuses(status),
            queues=criteria.several(queue),
            tasks=criteria.several(task),
            definition=definition,
            requester=requester,
            since=criteria.instant(since, "since"),
            until=criteria.instant(until, "until"),
            newest_first=order == "-id",
            limit=criteria.limit(limit),
        )
        now = self.store.now()
        with self.store.read() as tx:
            rows = find_jobs(tx, filter, now)
        return [Job.of_row(row, self.control, self) for row in rows]

    def count(self, by: Sequence[str] | str = ("queue", "status")) -> Any:
        """
        How many jobs there are, as a dict from the values of *by* (a tuple) to numbers; for ``by=()`` one number.

        Args:
            by: some of ``queue status task definition requester priority``.
        """
        names = (by,) if isinstance(by, str) else tuple(by)
        unknown = [name for name in names if name not in _COUNTED]
        if unknown:
            msg = f"by={unknown[0]!r}: jobs are counted by {', '.join(_COUNTED)}"
            raise BadArguments(msg)
        now = self.store.now()
        with self.store.read() as tx:
            rows = count_jobs(tx, names, JobFilter(), now)
        if not names:
            return rows[0][0]
        return {criteria.group(names, row[:-1]): row[-1] for row in rows}

    def wait(self, jobs: Iterable[Job[Any]], timeout: float | None = None) -> list[Job[Any]]:
        """
        Wait until all of these jobs have ended; returns them, refreshed.

        Raises:
            WaitTimeout: some had not ended after *timeout* seconds in all.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        return [job.wait(None if deadline is None else max(0.0, deadline - time.monotonic())) for job in jobs]

    def as_completed(self, jobs: Iterable[Job[Any]], timeout: float | None = None) -> Iterator[Job[Any]]:
        """
        Yield these jobs as they end, refreshed.

        Raises:
            WaitTimeout: some had not ended after *timeout* seconds in all.
        """
        left = {job.id: job for job in jobs}
        deadline = None if timeout is None else time.monotonic() + timeout
        while left:
            remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
            ended = until(self.store.driver, lambda: self.control.ended_of(left) or None, remaining)
            if ended is None:
                raise still_running(len(left), timeout)
            for id in ended:
                yield left.pop(id).refresh()

    def wait_for_change(
        self,
        id: int,
        fields: Sequence[str],
        previous: Sequence[Any] | None = None,
        newer_than: int | None = None,
        timeout: float | None = None,
    ) -> Change | NoChange:
        """
        Wait until a job's fields differ from *previous*, or its log has entries newer than *newer_than*.

        At once if *previous* is None or the job has ended. The store is read at most 20 times a second.

        Returns:
            The fields' values and the new entries, or `NO_CHANGE` after *timeout* seconds.

        Raises:
            UnknownJob: there is no such job.
            UnknownField: jobs have no such field.
        """
        found = until(self.store.driver, lambda: change_of(self.job(id), fields, previous, newer_than), timeout)
        return NO_CHANGE if found is None else found

    def queue(
        self,
        name: str,
        *,
        priority: int | None = UNSET,
        retry: int | bool | Retry | None = UNSET,
        timeout: Duration | None = UNSET,
        aging: Duration | None = UNSET,
    ) -> QueueInfo:
        """
        Set options of a queue, for jobs whose call and task say nothing. None takes an option back.

        Args:
            name: of the queue.
            priority: of its jobs.
            retry: attempts in all, True for 10, or a `Retry`.
            timeout: of an attempt.
            aging: the wait that counts as one step more urgent.
        """
        given = {"priority": priority, "retry": retry, "timeout": timeout, "aging": aging}
        changes = {
            option: None if value is None else OPTIONS[option](value, option)
            for option, value in given.items()
            if value is not UNSET
        }
        if changes:
            set_options(self.store, name, changes, self.settings.user)
        return self.queues.get(name)

    def events(
        self,
        *,
        kind: str | None = None,
        job: int | Job[Any] | None = None,
        definition: str | None = None,
        machine: str | None = None,
        user: str | None = None,
        since: datetime | None = None,
        limit: int | None = 100,
    ) -> list[Event]:
        """The lines of the audit trail that fit, newest first."""
        number = job.id if isinstance(job, Job) else job
        filter = EventFilter(
            kind, number, definition, machine, user, criteria.instant(since, "since"), None, criteria.limit(limit)
        )
        with self.store.read() as tx:
            return self.store.events.find(tx, filter)

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Delete what is older than the settings keep, in small batches; returns how much of what."""
        from jobyard.cleanup import clean_up_old
        from jobyard.store.prune import prune  # like the worker, nothing that one who enqueues should wait for

        settings = self.settings
        if not dry_run:
            clean_up_old(
                self.store,
                self.tasks,
                self.codec,
                keep=settings.keep,
                keep_failed=settings.keep_failed,
                now=self.store.now(),
            )
        return prune(
            self.store, keep=settings.keep, keep_failed=settings.keep_failed, now=self.store.now(), dry_run=dry_run
        )

    def worker(
        self,
        queues: Iterable[str] | str | None = None,
        concurrency: int | None = None,
        processes: int | None = None,
        name: str | None = None,
    ) -> Worker:
        """
        A worker of this yard; None takes the setting.

        Args:
            queues: those it serves, in claim order across all of them; by default all.
            concurrency: how many jobs it runs at the same time.
            processes: over how many child processes these slots are spread; 1 is this process.
            name: what others see it under.
        """
        from jobyard.worker import Worker  # with it come asyncio and sockets: callers who enqueue do without

        served = (queues,) if isinstance(queues, str) else tuple(queues or self.settings.queues)
        return Worker(
            self.store,
            self.tasks,
            self.settings,
            queues=served or None,
            concurrency=concurrency,
            processes=processes,
            name=name,
            codec=self.codec,
            link=self.link(),
            emitter=self.emitter,
            owner=self,
            prepare=self.definitions.declare,
        )

    def link(self) -> Link:
        """What running code needs of this yard; for workers and their children."""
        return Linking(self).link()

    def on(self, kind: type[H]) -> Callable[[Callable[[H], _FOUND]], Callable[[H], _FOUND]]:
        """Subscribe to what happens: ``@yard.on(JobFinished)``. One that raises is logged and stops nothing."""

        def subscribe(subscriber: Callable[[H], _FOUND]) -> Callable[[H], _FOUND]:
            self.emitter.on(kind, subscriber)
            return subscriber

        return subscribe

    def on_start(self, function: F) -> F:
        """Have *function* run in each worker process and child before its first job."""
        self._started.append(function)
        return function

    def on_stop(self, function: F) -> F:
        """Have *function* run in each worker process and child after its last job."""
        self._stopped.append(function)
        return function

    def process_started(self) -> None:
        """Run what `on_start` registered; called by workers."""
        _call_all(self._started)

    def process_stopped(self) -> None:
        """Run what `on_stop` registered; called by workers."""
        _call_all(self._stopped)

    def _store(self, jobs: Sequence[NewJob], connection: Any) -> list[Stored]:
        store = self.store
        if connection is not None:
            return run(insert_plan(store, jobs), transaction_on(connection, store))
        if len(jobs) == 1:
            stored = [store.enqueue(jobs[0])]
        else:
            with store.transaction() as tx:
                stored = store.jobs.insert(tx, jobs, store.now())
        new = [row for row, existing in stored if not existing]
        store.driver.notify(everywhere=any(row.status in _READY for row in new))
        if self.emitter.wants(JobEnqueued):
            for row in new:
                self.emitter.emit(JobEnqueued(row.id, row.queue, row.task))
        return stored


def _checked(jobs: Iterable[NewJob]) -> list[NewJob]:
    new_jobs = list(jobs)
    for new in new_jobs:
        _check(new)
    return new_jobs


def _check(new: NewJob) -> None:
    if not isinstance(new, NewJob):
        msg = f"{new!r} is no new job: make one with task.new(...) or yard.new(...)"
        raise BadArguments(msg)
    for op in new.ops:
        for ref in op.refs:
            if ref.name is not None:
                msg = f"retval({ref.name!r}) stands for a definition's result, which only a definition can have"
                raise BadArguments(msg)


def _call_all(functions: Iterable[Callable[[], object]]) -> None:
    for function in functions:
        try:
            function()
        except Exception:
            _log.exception("%r failed", function)
