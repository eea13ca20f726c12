"""The yard itself: a thin facade over the store, the registry and the settings."""

from __future__ import annotations

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
from jobyard.model.emitter import Emitter
from jobyard.model.job import Job
from jobyard.model.newjob import NewJob
from jobyard.model.op import Op
from jobyard.model.retry import Retry
from jobyard.model.rows import JobRow
from jobyard.model.states import Status
from jobyard.store import Store, TimeSource, open_store
from jobyard.store.filters import JobFilter, count_jobs, find_jobs
from jobyard.task import CallKeywords, CallOptions, Decorator, Duration, Registry, new_job
from jobyard.yard import criteria
from jobyard.yard.changes import NO_CHANGE, Change, NoChange, change_of
from jobyard.yard.control import JobControl
from jobyard.yard.enqueueing import Enqueuer, check_new
from jobyard.yard.hooks import Hooks
from jobyard.yard.queues import UNSET, QueueInfo, QueueList, set_options
from jobyard.yard.statement import insert_statement
from jobyard.yard.waiting import as_completed, until

if TYPE_CHECKING:
    from jobyard.builds import Storage
    from jobyard.definitions import Definitions
    from jobyard.model.audit import Event
    from jobyard.model.events import Happening
    from jobyard.store.prune import Pruned
    from jobyard.worker import Worker
    from jobyard.workflow import Workflow
    from jobyard.yard.machines import MachineList

__all__ = ["Yard"]

H = TypeVar("H", bound="Happening")
F = TypeVar("F", bound=Callable[[], object])

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
        self._at_start = Hooks()
        self._at_stop = Hooks()

    def _open(self, clock: TimeSource | None) -> None:
        self._use(open_store(self.settings.url, busy_timeout=self.settings.busy_timeout, clock=clock), clock)

    def _use(self, store: Store, clock: TimeSource | None) -> None:
        self.clock = clock
        self.store = store
        self.control = JobControl(self.store, self.tasks, self.codec, lambda: self.settings.user)
        self.queues = QueueList(self.store, lambda: self.settings.user)
        self._enqueuer = Enqueuer(self.store, self.emitter, self._job)
        for made_of_the_store in ("machines", "workflow"):
            self.__dict__.pop(made_of_the_store, None)

    @cached_property
    def definitions(self) -> Definitions:
        """The named recipes for jobs."""
        from jobyard.definitions import Definitions  # as below: callers who only enqueue do without

        return Definitions(self, self._job)

    @cached_property
    def machines(self) -> MachineList:
        """The hosts of workers."""
        from jobyard.yard.machines import MachineList

        return MachineList(self.store, self.control, lambda: self.settings.user)

    @cached_property
    def workflow(self) -> Workflow:
        """Recurring work on machines, as Launchpad's code imports have it."""
        from jobyard.workflow import Workflow

        return Workflow(self.store, self.settings, self._job)

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
        call = CallOptions().merged(options, self)
        return self.enqueue_new(new_job(ops, call, self.tasks), call.connection)

    async def aenqueue(self, *ops: Op, **options: Unpack[CallKeywords]) -> Job[Any]:
        """`enqueue` for coroutines: the event loop goes on meanwhile."""
        call = CallOptions().merged(options, self)
        return await self.aenqueue_new(new_job(ops, call, self.tasks), call.connection)

    def new(self, *ops: Op, **options: Unpack[CallKeywords]) -> NewJob:
        """The job that `enqueue` would store, for `enqueue_many`; nothing is stored."""
        call = CallOptions().merged(options, self)
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
        return self._enqueuer.many(jobs, connection)

    async def aenqueue_many(self, jobs: Iterable[NewJob], *, connection: Any = None) -> list[Job[Any]]:
        """`enqueue_many` for coroutines; *connection* may be an async one."""
        return await self._enqueuer.amany(jobs, connection)

    def enqueue_new(self, new: NewJob, connection: Any = None) -> Job[Any]:
        """Store one `NewJob`, on the caller's connection if one is given."""
        return self._enqueuer.one(new, connection)

    async def aenqueue_new(self, new: NewJob, connection: Any = None) -> Job[Any]:
        """`enqueue_new` for coroutines."""
        [job] = await self._enqueuer.amany([new], connection)
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
            MissingDependencies: a dependency has no successful build, or is pinned to one that has failed; nothing is
                stored.
            PreconditionFailed: the definition is retired, or one that would be built for it.
            UnknownJob, BadArguments: a pinned build does not exist, is of another definition, or nothing takes it.
        """
        return self.definitions.build(name, build_deps, build_revdeps, pins)

    def insert_statement(self, new: NewJob, paramstyle: str = "named") -> tuple[str, Any]:
        """
        One statement, and its parameters, that stores a simple job on a connection jobyard does not know.

        The commit wakes idle workers; for that the statement returns a row on PostgreSQL, which holds nothing.

        Args:
            new: what ``task.new(...)`` made: one op, without dependencies, unique key, token or expiry.
            paramstyle: ``named`` (``:x``), ``qmark`` (``?``), ``format`` (``%s``), ``pyformat`` (``%(x)s``),
                ``numeric`` (``:1``) or ``numeric_dollar`` (``$1``).

        Raises:
            UsageError: the job is not of that kind. A drained queue takes none either: no row is inserted then.
        """
        check_new(new)
        return insert_statement(self.store, new, paramstyle)

    def job(self, id: int) -> Job[Any]:
        """The job with this id. Raises `UnknownJob`."""
        if isinstance(id, bool) or not isinstance(id, int):
            msg = f"id={id!r}: the id of a job is a whole number"
            raise BadArguments(msg)
        return self._job(self.control.row(id))

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
        filter = criteria.job_filter(status, queue, task, definition, requester, since, until, order, limit)
        now = self.store.now()
        with self.store.read() as tx:
            rows = find_jobs(tx, filter, now)
        return [self._job(row) for row in rows]

    def count(self, by: Sequence[str] | str = ("queue", "status")) -> Any:
        """
        How many jobs there are, as a dict from the values of *by* (a tuple) to numbers; for ``by=()`` one number.

        Args:
            by: some of ``queue status task definition requester priority``.
        """
        names = criteria.groups(by)
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
        return as_completed(self.store.driver, self.control.ended_of, jobs, timeout)

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
        set_options(self.store, name, given, self.settings.user)
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
        from jobyard.store.events import EventFilter

        since_at = criteria.instant(since, "since")
        filter = EventFilter(kind, criteria.job(job), definition, machine, user, since_at, None, criteria.limit(limit))
        with self.store.read() as tx:
            return self.store.events.find(tx, filter)

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Delete what is older than the settings keep, in small batches; returns how much of what."""
        from jobyard.cleanup import clean_up_and_prune  # as the worker, nothing that one who enqueues should wait for

        return clean_up_and_prune(
            self.store,
            self.tasks,
            self.codec,
            keep=self.settings.keep,
            keep_failed=self.settings.keep_failed,
            now=self.store.now(),
            dry_run=dry_run,
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
        from jobyard.yard.link import Linking

        return Linking(self).link()

    def on(self, kind: type[H]) -> Callable[[Callable[[H], _FOUND]], Callable[[H], _FOUND]]:
        """Subscribe to what happens: ``@yard.on(JobFinished)``. One that raises is logged and stops nothing."""

        def subscribe(subscriber: Callable[[H], _FOUND]) -> Callable[[H], _FOUND]:
            self.emitter.on(kind, subscriber)
            return subscriber

        return subscribe

    def on_start(self, function: F) -> F:
        """Have *function* run in each worker process and child before its first job."""
        self._at_start.add(function)
        return function

    def on_stop(self, function: F) -> F:
        """Have *function* run in each worker process and child after its last job."""
        self._at_stop.add(function)
        return function

    def process_started(self) -> None:
        """Run what `on_start` registered; called by workers."""
        self._at_start.run()

    def process_stopped(self) -> None:
        """Run what `on_stop` registered; called by workers."""
        self._at_stop.run()

    def _job(self, row: JobRow, existing: bool = False) -> Job[Any]:
        return Job.of_row(row, self.control, self, existing=existing)
