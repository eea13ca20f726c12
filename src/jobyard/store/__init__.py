"""The only package that knows SQL: a store of jobs, written once on top of any driver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import msgspec

from jobyard.errors import StoreError, StoreUnavailable
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES
from jobyard.store import migrate
from jobyard.store.definitions import Definitions
from jobyard.store.driver import Driver, Transaction
from jobyard.store.insert import Stored, drained, is_plain, plain_row
from jobyard.store.jobs import Jobs, claim_order
from jobyard.store.locate import open_driver
from jobyard.store.queues import Queues
from jobyard.store.sql import migrations, statements

if TYPE_CHECKING:
    from jobyard.store.builds import Builds
    from jobyard.store.cleanups import Cleanups
    from jobyard.store.control import Control
    from jobyard.store.events import Events
    from jobyard.store.files import Files
    from jobyard.store.machines import Machines
    from jobyard.store.reclaim import Reclaimer
    from jobyard.store.records import Records
    from jobyard.store.requests import Requests
    from jobyard.store.workers import Workers

__all__ = ["Store", "TimeSource", "open_store"]

_NOUNS = ("jobs", "dependencies", "queues", "definitions", "builds", "events", "workers")
"""What the end of a job may touch."""
_DUE = frozenset({CODES["queued"], CODES["scheduled"]})
"""The statuses that workers are told of: scheduled too, for who sleeps until the next due must know of an earlier."""


class TimeSource(Protocol):
    """A clock that tells the time instead of the database's: `jobyard.testing.Clock`."""

    def micros(self) -> int: ...
    def subscribe(self, callback: Callable[[], None], *, first: bool = False) -> Callable[[], None]:
        """Call *callback* after each move, the first ones before the others, until the returned is called."""


class Store:
    """
    The nouns of a store, each of which acts within a transaction.

    Those that enqueueing does without are loaded at their first use.

    Every method that depends on the time takes `now`; `Store.now` is the clock given, else the database's own.
    """

    def __init__(self, driver: Driver, url: str, clock: TimeSource | None = None) -> None:
        self.driver = driver
        self.url = url
        self._clock = clock
        self._checked = False
        dialect = driver.dialect
        named = {noun: statements(dialect, noun) for noun in _NOUNS}
        self.jobs = Jobs(named)
        self.queues = Queues(named["queues"])
        self.definitions = Definitions(named["definitions"])

    @cached_property
    def workers(self) -> Workers:
        from jobyard.store.workers import Workers

        return Workers(statements(self.driver.dialect, "workers"))

    @cached_property
    def events(self) -> Events:
        from jobyard.store.events import Events

        return Events(statements(self.driver.dialect, "events"))

    @cached_property
    def machines(self) -> Machines:
        from jobyard.store.machines import Machines

        return Machines(statements(self.driver.dialect, "machines"), self.events)

    @cached_property
    def files(self) -> Files:
        from jobyard.store.files import Files

        return Files(statements(self.driver.dialect, "files"))

    @cached_property
    def requests(self) -> Requests:
        from jobyard.store.requests import Requests

        return Requests(statements(self.driver.dialect, "requests"))

    @cached_property
    def records(self) -> Records:
        from jobyard.store.records import Records

        dialect = self.driver.dialect
        return Records(statements(dialect, "log"), statements(dialect, "progress"), self.jobs)

    @cached_property
    def control(self) -> Control:
        from jobyard.store.control import Control

        return Control(self.jobs, self.queues, self.events, self.requests, self._worker_name)

    @cached_property
    def builds(self) -> Builds:
        from jobyard.store.builds import Builds

        dialect, sql = self.driver.dialect, statements(self.driver.dialect, "builds")
        return Builds(sql, dialect, self.jobs, self.definitions, self.queues, self.records, self.events)

    @cached_property
    def cleanups(self) -> Cleanups:
        from jobyard.store.cleanups import Cleanups

        return Cleanups(statements(self.driver.dialect, "builds"))

    @cached_property
    def reclaimer(self) -> Reclaimer:
        from jobyard.store.reclaim import Reclaimer

        return Reclaimer(self.jobs, self.workers, self.queues, self.machines, self.builds)

    @property
    def location(self) -> str:
        """Where the data lie, for people: the absolute path of the file, or the server without the password."""
        return self.driver.location

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._clock.micros() if self._clock is not None else self.driver.now()

    @property
    def ahead(self) -> int:
        """By how many microseconds the clock of this machine is ahead of the store's."""
        return time.time_ns() // 1000 - self.now()

    @property
    def has_clock(self) -> bool:
        """Whether a movable clock tells the time."""
        return self._clock is not None

    def on_clock_change(self, beat: Callable[[], None], wake: Callable[[], None]) -> Callable[[], None]:
        """
        Have a movable clock call these after each move, every *beat* before any *wake*, until the returned is called.

        So all workers of a process have said that they are alive before one of them looks for lost ones.
        """
        if self._clock is None:
            return lambda: None
        subscriptions = ExitStack()
        subscriptions.callback(self._clock.subscribe(beat, first=True))
        subscriptions.callback(self._clock.subscribe(wake))
        return subscriptions.close

    def transaction(self, *, durable: bool = True, priority: bool = False) -> AbstractContextManager[Transaction]:
        """A write transaction, see `Driver.transaction`. The first use installs a SQLite file and checks the schema."""
        self.ensure()
        return self._explained(self.driver.transaction(durable=durable, priority=priority))

    def claim_usual(self, queue: str, *, serves_all: bool, tasks: str, worker: int, limit: int) -> list[JobRow]:
        """
        Claim, in a transaction of its own, what `Jobs.ask_claim` would if nothing but that is to be done; else nothing.

        Raises:
            Unanswered: whether jobs were claimed is not known.
        """
        self.ensure()
        place = self.jobs.place(queue, tasks)
        values = {
            "version": migrations(self.driver.dialect)[-1].number,
            "queue": queue,
            "serves_all": int(serves_all),
            "tasks": tasks,
            "worker": worker,
            "limit": limit,
            "after_rank": place.rank,
            "after_id": place.id,
            "now": self.now(),
        }
        with self._explaining():
            rows = self.driver.alone(self.jobs.sql.claim_usual, values, durable=False, ends=True)
        return sorted((JobRow(*row) for row in rows), key=claim_order)

    def read(self) -> AbstractContextManager[Transaction]:
        """A short read transaction, see `Driver.read`."""
        self.ensure()
        return self._explained(self.driver.read())

    @contextmanager
    def _explained(self, transaction: AbstractContextManager[Transaction]) -> Iterator[Transaction]:
        with self._explaining(), transaction as tx:
            yield tx

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            migrate.explain(error, self.driver, self.url)
            raise

    @contextmanager
    def within(self, tx: Transaction | None) -> Iterator[Transaction]:
        """The transaction given, or one of its own."""
        if tx is not None:
            yield tx
        else:
            with self.transaction() as own:
                yield own

    @property
    def is_ready(self) -> bool:
        """Whether the tables have been seen to be there."""
        return self._checked

    def ensure(self) -> None:
        """`check`, once."""
        if not self._checked:
            self.check()

    def enqueue(self, job: NewJob) -> Stored:
        """
        Store one job in a transaction of its own, and wake who waits for it; the usual kind takes one statement.

        Raises:
            QueueClosed: its queue is drained.
        """
        if not is_plain(job):
            return self.enqueue_many([job])[0]
        self.ensure()
        token = os.urandom(9).hex() if self.driver.loses_replies else None
        try:
            return self._enqueue_plain(job, token)
        except StoreUnavailable as error:
            if not error.in_doubt:
                raise
            return self._enqueue_again(msgspec.structs.replace(job, token=token))

    def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Stored]:
        """Store jobs, all or none, and wake who waits for them, see `Inserter.insert`."""
        with self.transaction() as tx:
            stored = self.jobs.insert(tx, jobs, self.now())
        ready = {row.queue for row, existing in stored if not existing and row.status in _DUE}
        self.driver.notify(everywhere=bool(ready), queues=ready)
        return stored

    def _enqueue_again(self, job: NewJob) -> Stored:
        """The reply may be what was lost: a repeat with the same token stores the job or finds it."""
        try:
            [stored] = self.enqueue_many([job])
        except StoreError as error:
            unknown = StoreUnavailable(f"{error}; whether the job is stored is not known")
            unknown.in_doubt = True
            raise unknown from error
        return Stored(stored.row, existing=False)

    def _enqueue_plain(self, job: NewJob, token: str | None) -> Stored:
        row = plain_row(job, self.now())
        priority = job.ops[0].priority if job.ops[0].priority is not None else job.priority
        values = {
            "queue": row.queue,
            "task": row.task,
            "priority": priority,
            "due": row.due,
            "now": row.received_at,
            "args": row.args,
            "definition": row.definition,
            "requester": row.requester,
            "options": row.options,
            "token": token,
        }
        added = self.driver.alone(self.jobs.sql.insert_one, values, queues=(row.queue,))
        if not added:
            raise drained(row.queue)
        row.id, row.status, row.rank, row.priority = added[0]
        return Stored(row, existing=False)

    def check(self) -> None:
        """
        Make sure that the tables are there and of this version; a new SQLite file gets them here.

        Raises:
            SchemaOutOfDate: they are not; the text has the command that mends it.
        """
        if self.driver.dialect == "sqlite" and migrate.status(self.driver).current == 0:
            migrate.upgrade(self.driver)
        migrate.check(self.driver, self.url)
        self._checked = True

    def upgrade(self) -> list[int]:
        """Bring the tables to this version; returns the numbers of the migrations applied."""
        return migrate.upgrade(self.driver)

    def uninstall(self) -> None:
        """Drop the tables and all that is in them."""
        migrate.uninstall(self.driver)
        self._checked = False

    def close(self) -> None:
        self.driver.close()

    def _worker_name(self, tx: Transaction, id: int | None) -> str | None:
        worker = self.workers.get(tx, id)
        return worker.name if worker else None


def open_store(url: str, *, busy_timeout: float = 60.0, clock: TimeSource | None = None) -> Store:
    """
    The store at *url*; nothing is opened before its first use.

    Raises:
        ConfigError: the URL is of no kind that is known here, or has an unknown option.
    """
    return Store(open_driver(url, busy_timeout=busy_timeout), url, clock)
