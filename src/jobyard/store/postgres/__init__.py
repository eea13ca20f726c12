"""The driver for PostgreSQL: any number of machines around one server."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from jobyard.errors import StoreError, StoreUnavailable
from jobyard.store.driver import Heed, Params, Row, Unanswered
from jobyard.store.postgres.clock import Clock
from jobyard.store.postgres.connect import Target
from jobyard.store.postgres.facts import facts_of
from jobyard.store.postgres.faults import translated
from jobyard.store.postgres.line import Call, Line
from jobyard.store.postgres.listener import Listener
from jobyard.store.postgres.pool import Pool
from jobyard.store.postgres.statement import array_text, numbered, qualified
from jobyard.store.postgres.transaction import PostgresTransaction
from jobyard.store.postgres.watch import Watch

__all__ = ["PostgresDriver", "Target"]

_log = logging.getLogger("jobyard.store")
_REST_AGAIN = 4.0
"""Seconds after which a mark is left again, since the one before may be gone although nobody was told."""
_ASK_AGAIN = 0.1
_PROBE = 5
"""Seconds in which another connection must come about, or the server counts as gone."""
_TAKE_MARKS = """
delete from main.idle where ctid = any(array(
    select ctid from main.idle
    where heed <= $1::smallint and (heed <> 1 or queues = '{}' or $2::text[] is null or queues && $2::text[])
    for update skip locked))
returning pg_notify($3::text, listener)
"""
PLACE = """
select current_database(), to_regclass('main.jobs')::oid::bigint,
    (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint
"""
_NOTICE = "select pg_notify(:channel, '')"
_LEAVE_MARK = """
insert into main.idle (listener, heed, queues) values (:listener, :heed, :queues::text[]) on conflict do nothing
"""
_NUMBER = "select pg_current_xact_id()"
_PROCESS = """
select pid, (extract(epoch from backend_start) * 1000000)::bigint,
    (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint
from pg_stat_get_activity(pg_backend_pid())
"""
_END = """
select pg_terminate_backend(pid) from pg_stat_get_activity(:pid::integer)
where (extract(epoch from backend_start) * 1000000)::bigint = :begun
    and (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint = :server
"""
"""Gives no row where that process is gone, which those of a server that was started anew all are."""
_STATUS = "select pg_xact_status(:number::text::xid8)"


class PostgresDriver:
    """
    Connections to one server.

    Args:
        notify: whether LISTEN and NOTIFY are used; without, sleepers look by themselves now and then.
        size: how many connections this process may use at the same time, those of listeners and heartbeats aside.
    """

    dialect = "postgres"
    loses_replies = True

    def __init__(self, target: Target, *, notify: bool = True, size: int = 10) -> None:
        self.schema = target.schema
        self.notifies = notify
        self.channel = f"jobyard.{target.schema}"
        self._target = target
        self._size = size
        self._clock = Clock()
        self._location = _without_password(target)
        self._settings = [] if target.prepare else [f"select {target.settings}"]
        self._take_marks = qualified(_TAKE_MARKS, target.schema)
        self._place: Row | None = None
        self._start()

    @property
    def location(self) -> str:
        return self._location

    @property
    def is_there(self) -> bool:
        return True  # a server is never made by a use

    def qualified(self, statement: str) -> str:
        return qualified(statement, self.schema)

    def now(self) -> int:
        if not self._clock.is_known:
            with self._connection():
                pass  # each new connection measures
        return self._clock.now()

    def transaction(
        self, *, durable: bool = True, priority: bool = False
    ) -> AbstractContextManager[PostgresTransaction]:
        return self._transaction("begin isolation level read committed", number=_NUMBER, priority=priority)

    def alone(
        self,
        statement: str,
        params: Params,
        *,
        queues: Collection[str] | None = None,
        durable: bool = True,  # as it always is
        ends: bool = False,
    ) -> list[Row]:
        if ends and not self._target.prepare:  # a pooler: which process of the server has it is not known
            with self.transaction() as transaction:
                return transaction.fetch(statement, params)
        self._forget_the_parents()
        lost: psycopg.Error | None = None
        with self._connection() as connection:
            try:
                rows = self._ask(connection, statement, params, queues)
            except psycopg.Error as error:
                if not connection.closed:
                    raise
                lost = error
        if lost is not None:
            msg = f"{self.location}: the connection was lost before the answer came ({lost})"
            if ends:
                raise Unanswered(msg, lambda: self._end(connection)) from lost
            unknown = StoreUnavailable(msg)
            unknown.in_doubt = True
            raise unknown from lost
        if queues is not None:
            self._listener.tell()
        return rows

    def read(self) -> AbstractContextManager[PostgresTransaction]:
        return self._transaction("begin isolation level repeatable read read only")

    def notify(
        self,
        *,
        everywhere: bool,
        asked: bool = False,
        queues: Collection[str] | None = None,
        by: Callable[[], None] | None = None,
    ) -> None:
        self._forget_the_parents()
        self._listener.tell(by)
        if self.notifies:
            self._wake(Heed.REQUESTS if asked else Heed.JOBS if everywhere else Heed.ANYTHING, queues)

    def _wake(self, heed: Heed, queues: Collection[str] | None) -> None:
        try:
            with self._connection() as connection:
                connection.post(self._waking(heed, queues))
        except StoreError as error:  # what it tells of is committed; sleepers will look by themselves
            _log.debug("nobody could be notified: %s", error)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._forget_the_parents()
        return self._listener.listen(callback)

    def rest(self, heed: Heed, queues: Collection[str] | None = None) -> bool:
        self._forget_the_parents()
        now = time.monotonic()
        mark = heed, array_text(queues or ())
        with self._marking:
            if not self._listener.is_on or now - self._marked.get(mark, float("-inf")) < _REST_AGAIN:
                return False
            self._marked[mark] = now
        try:
            self._run(_LEAVE_MARK, {"listener": self._name, "heed": heed.value, "queues": mark[1]})
        except StoreError as error:
            _log.debug("no mark could be left: %s", error)
        return True

    def write_much(self) -> None:
        pass  # the server has its own settings for that

    @property
    def notice(self) -> tuple[str, Params] | None:
        return (_NOTICE, {"channel": self.channel}) if self.notifies else None

    def is_at(self, place: Row) -> bool:
        """Whether a connection whose (database, oid of the table of jobs, start of the server) these are is ours."""
        if place != self._place:
            self._place = self._run(PLACE, {})[0]
        return place == self._place

    def facts(self) -> dict[str, Any]:
        now = self.now()
        with self.read() as tx:
            return {"location": self.location, **facts_of(tx, now)}

    def close(self) -> None:
        self._forget_the_parents()
        self._listener.close()
        self._pool.close()
        self._watch.close()

    @contextmanager
    def _transaction(
        self, begin: str, *, number: str | None = None, priority: bool = False
    ) -> Iterator[PostgresTransaction]:
        with self._connection(priority=priority) as connection:
            opening = [begin, *self._settings]
            transaction = PostgresTransaction(connection, self._watch, self.schema, self.location, opening, number)
            try:
                yield transaction
            except BaseException:
                transaction.roll_back()
                raise
            lost = self._commit(transaction)
        if lost is not None and number is not None:
            self._resolve(transaction, lost)

    def _commit(self, transaction: PostgresTransaction) -> psycopg.Error | None:
        """Commit; returns the error of a connection that was lost meanwhile."""
        try:
            transaction.commit()
        except psycopg.Error as error:
            if not transaction.is_lost:
                raise translated(error, self.location) from error
            return error
        return None

    def _resolve(self, transaction: PostgresTransaction, lost: psycopg.Error) -> None:
        """Find out what became of a transaction whose connection was lost in its commit; return if it is committed."""
        if not transaction.begun:
            return
        deadline = time.monotonic() + self._target.busy_timeout
        while transaction.number is not None:
            try:
                [(status,)] = self._run(_STATUS, {"number": transaction.number})
            except StoreError:
                if time.monotonic() > deadline:
                    break
            else:
                if status == "committed":
                    return
                if status != "in progress":
                    raise translated(lost, self.location) from lost
            time.sleep(_ASK_AGAIN)
        msg = f"{self.location}: the connection was lost during a commit, and its outcome is not known ({lost})"
        unknown = StoreUnavailable(msg)
        unknown.in_doubt = True
        raise unknown from lost

    def _end(self, lost: Line) -> None:
        """Have the server do nothing more for a lost connection."""
        process = dict(zip(("pid", "begun", "server"), lost.process or (), strict=True))
        deadline = time.monotonic() + self._target.busy_timeout
        while self._run(_END, process):
            if time.monotonic() > deadline:
                msg = f"{self.location}: the server is still at work for a connection that was lost"
                raise StoreUnavailable(msg)
            time.sleep(_ASK_AGAIN)

    def _run(self, statement: str, params: Params) -> list[Row]:
        """One statement that is a transaction of its own."""
        with self._connection() as connection:
            return self._ask(connection, statement, params)

    def _ask(self, connection: Line, statement: str, params: Params, wakes: Collection[str] | None = None) -> list[Row]:
        text, names = numbered(statement, self.schema)
        then = self._waking(Heed.JOBS, wakes) if wakes is not None and self.notifies else None
        with self._watch.over(connection.connection):
            return connection.ask(Call(text, [params[name] for name in names]), then)

    def _waking(self, heed: Heed, queues: Collection[str] | None) -> Call:
        """The statement that wakes who heeds that."""
        where = None if queues is None else array_text(queues)
        return Call(self._take_marks, [heed.value, where, self.channel])

    @contextmanager
    def _connection(self, *, priority: bool = False) -> Iterator[Line]:
        self._forget_the_parents()
        try:
            with self._pool.connection(priority=priority) as connection:
                if self._clock.is_stale:
                    self._measure(connection)
                yield connection
        except psycopg.Error as error:
            raise translated(error, self.location) from error

    def _connect(self) -> Line:
        line = Line(self._target.connect(), prepares=self._target.prepare)
        self._measure(line)
        [line.process] = line.ask(Call(_PROCESS))
        return line

    def _measure(self, line: Line) -> None:
        with self._watch.over(line.connection):
            self._clock.measure(line)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._pool = Pool(self._connect, self._location, size=self._size, timeout=self._target.busy_timeout)
        self._watch = Watch(lambda: self._target.connect(_PROBE), self._pool.close, direct=self._target.prepare)
        self._name = secrets.token_hex(8)
        self._marking = threading.Lock()
        self._marked: dict[tuple[Heed, str], float] = {}
        self._listener = Listener(
            self._target, self._watch, self.channel, self._name, self._marked.clear, serve=self.notifies
        )

    def _forget_the_parents(self) -> None:
        if self._pid != os.getpid():
            self._pool.abandon()
            self._start()


def _without_password(target: Target) -> str:
    parts = conninfo_to_dict(target.conninfo)
    server = f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"
    return f"postgresql://{server}/{parts.get('dbname') or ''}?schema={target.schema}"
