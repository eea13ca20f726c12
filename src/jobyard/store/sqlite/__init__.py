"""The driver for SQLite: one file, one writer at a time, no server."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from jobyard.errors import StoreBusy, StoreError, StoreFull, StoreUnavailable
from jobyard.model.text import escape
from jobyard.store.driver import Heed, Params, Row
from jobyard.store.sql import parts
from jobyard.store.sqlite.batches import batched
from jobyard.store.sqlite.filesystem import filesystem_of, network_filesystem
from jobyard.store.sqlite.forks import closed_at_forks
from jobyard.store.sqlite.turnstile import NotPassed, Turnstile
from jobyard.store.sqlite.wake import Wake

__all__ = ["SqliteDriver", "SqliteTransaction", "translated"]

_log = logging.getLogger("jobyard.store")
_READERS = 4
_LOG_PAGES = 4000
"""
Pages in the log at which a worker moves them into the file, which takes milliseconds: four times as many as SQLite's
own, since it writes the same ones over and over, and each is moved once.
"""
_PATIENCE = 5.0
"""Seconds for which a fork waits for other threads to end their transactions."""
_UNFIT = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG)
"""The statement, or a value in it, does not fit the tables."""
_abandoned: list[sqlite3.Connection] = []
"""Connections that a fork copied into this process: closing or collecting one would harm the parent's."""


def translated(error: sqlite3.Error, location: str) -> StoreError:
    """What this error of the database means for whoever called."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            f"{location}: another writer held the database for too long. A task that has its own write transaction on "
            f"it enqueues with connection=, or it waits for itself; busy_timeout sets how long to wait ({error})"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"{location}: the disk is full ({error}); free space and try again")
    if code == sqlite3.SQLITE_READONLY:
        return StoreUnavailable(f"{location}: the file or its folder is read-only for this user ({error})")
    if code == sqlite3.SQLITE_NOTADB:
        return StoreUnavailable(f"{location}: the file is not a SQLite database ({error})")
    if code in _UNFIT:
        return StoreError(f"{location}: {error}")
    return StoreUnavailable(f"{location}: {error}")


class SqliteTransaction:
    """A transaction on one connection; also wraps a connection of the caller's."""

    def __init__(self, connection: sqlite3.Connection, location: str) -> None:
        self._connection = connection
        self._location = location

    def fetch(self, statement: str, params: Params = {}) -> list[Row]:  # noqa: B006 - never changed
        try:
            return self._run(statement, params)[1]
        except sqlite3.Error as error:
            raise translated(error, self._location) from error

    def ask(
        self,
        statement: str,
        params: Params = {},  # noqa: B006 - never changed
        *,
        meanwhile: Callable[[], object] | None = None,
    ) -> Callable[[], list[Row]]:
        if meanwhile is not None:
            meanwhile()  # the interpreter is left to others while a statement runs
        rows = self.fetch(statement, params)
        return lambda: rows

    def ask_stream(self, statement: str, params: Params, take: Callable[[list[Row]], object]) -> Callable[[], object]:
        take(self.fetch(statement, params))
        return lambda: None

    def execute(self, statement: str, params: Params = {}) -> int:  # noqa: B006 - never changed
        try:
            return self._run(statement, params)[0]
        except sqlite3.Error as error:
            raise translated(error, self._location) from error

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            for text, values in batched(statement, rows):
                self._cursor().executemany(text, values)
        except sqlite3.Error as error:
            raise translated(error, self._location) from error

    def _run(self, statement: str, params: Params) -> tuple[int, list[Row]]:
        """How many rows it changed, and its rows."""
        cursor = self._cursor()
        rows: list[Row] = []
        for part in parts(statement):
            try:
                cursor.execute(part, params)
            except UnicodeEncodeError:  # a name with half a character, which nothing stored has
                fit = {name: escape(value) if isinstance(value, str) else value for name, value in params.items()}
                cursor.execute(part, fit)
            rows += cursor.fetchall()
        return cursor.rowcount, rows

    def _cursor(self) -> sqlite3.Cursor:
        cursor = self._connection.cursor()
        cursor.row_factory = None  # a connection of the caller's may have one
        return cursor


class SqliteDriver:
    """
    Connections to one SQLite file.

    Writers of all processes pass a fair turnstile, since SQLite's own busy handler lets one of them starve. Readers
    never wait: the file is in WAL mode. A process that forks opens connections of its own.
    """

    dialect = "sqlite"
    schema = "main"
    loses_replies = False

    def __init__(self, path: Path, *, busy_timeout: float = 60.0, synchronous: str = "FULL") -> None:
        self.path = path
        self._busy_timeout = busy_timeout
        self._synchronous = synchronous
        self._writing = threading.RLock()
        self._turnstile = Turnstile(path.with_name(path.name + "-turn"))
        self._wake = Wake(path, self._data_version)
        self._watcher: sqlite3.Connection | None = None
        self._watchers = 0
        self._writer: sqlite3.Connection | None = None
        self._durable = True
        self._writes_much = False
        self._warned = False
        """Whether the writer's commits reach the disk before they return."""
        self._readers: list[sqlite3.Connection] = []
        self._reading: dict[sqlite3.Connection, int] = {}
        """Readers in use, with the threads that use them."""
        self._paused = False
        self._gate = threading.RLock()
        """Held while a connection is opened, and for the time of a fork."""
        self._pid = os.getpid()
        self._copied = False
        closed_at_forks(self)

    @property
    def location(self) -> str:
        return str(self.path)

    @property
    def is_there(self) -> bool:
        return self.path.exists()

    def now(self) -> int:
        return time.time_ns() // 1000

    @contextmanager
    def transaction(self, *, durable: bool = True, priority: bool = False) -> Iterator[SqliteTransaction]:
        self._enter()
        try:
            transaction = self._begin(durable=durable)
            try:
                yield transaction
            except BaseException:
                self._end("rollback")
                raise
            self._end("commit")
        finally:
            self._leave()

    def alone(
        self,
        statement: str,
        params: Params,
        *,
        queues: Collection[str] | None = None,
        durable: bool = True,
        ends: bool = False,  # no word is ever lost
    ) -> list[Row]:
        self._enter()
        try:
            writer = self._opened_writer(durable=durable)
            rows = writer.execute(statement, params).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.location) from error
        finally:
            self._leave()
        if queues is not None:
            self._wake.notify(everywhere=True)
        return rows

    def read(self) -> AbstractContextManager[SqliteTransaction]:
        return self._read()

    @contextmanager
    def _read(self) -> Iterator[SqliteTransaction]:
        reader = self._borrowed()
        try:
            reader.execute("begin")
            yield SqliteTransaction(reader, self.location)
        except sqlite3.Error as error:
            raise translated(error, self.location) from error
        finally:
            if self._reading.pop(reader, None) is not None:  # else this is a fork, and the reader is its parent's
                self._return(reader)

    def _borrowed(self) -> sqlite3.Connection:
        self.forget_the_parents()
        with self._gate:
            reader = self._readers.pop() if self._readers else self._connect()
            self._reading[reader] = threading.get_ident()
        return reader

    def _return(self, reader: sqlite3.Connection) -> None:
        if reader.in_transaction:
            reader.rollback()
        if len(self._readers) < _READERS:
            self._readers.append(reader)
        else:
            reader.close()

    def notify(
        self,
        *,
        everywhere: bool,
        asked: bool = False,
        queues: Collection[str] | None = None,
        by: Callable[[], None] | None = None,
    ) -> None:
        self._wake.notify(everywhere=everywhere or asked, by=by)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        return self._wake.listen(callback)

    def rest(self, heed: Heed, queues: Collection[str] | None = None) -> bool:
        return False  # listeners are woken whether they sleep or not

    def write_much(self) -> None:
        with self._writing:
            self._writes_much = True
            if self._writer is not None:
                self._writer.execute(f"pragma wal_autocheckpoint = {_LOG_PAGES}")

    @property
    def notice(self) -> tuple[str, Params] | None:
        return None

    def qualified(self, statement: str) -> str:
        return statement

    def close(self) -> None:
        self.forget_the_parents()
        self._wake.close()
        self._turnstile.close()
        with self._writing, self._gate:  # else the thread that looks for commits might be using its connection
            kept = [self._writer, self._watcher, *self._readers]
            self._writer = self._watcher = None
            self._readers = []
            for connection in kept:
                if connection is not None:
                    connection.close()

    def __del__(self) -> None:
        """Close what nobody closed; Python 3.13 warns of it. Not in a fork, whose copies must stay as they are."""
        if getattr(self, "_pid", None) == os.getpid():
            for connection in (self._writer, self._watcher, *self._readers):
                if connection is not None:
                    connection.close()

    def facts(self) -> dict[str, Any]:
        with self.read() as tx:
            checked = [text for (text,) in tx.fetch("pragma integrity_check(20)")]
            [(journal,)] = tx.fetch("pragma journal_mode")
        log = self.path.with_name(self.path.name + "-wal")
        return {
            "location": self.location,
            "version": f"SQLite {sqlite3.sqlite_version}",
            "clock": self.now(),
            "size": self.path.stat().st_size,
            "log_size": log.stat().st_size if log.exists() else 0,
            "journal_mode": journal,
            "synchronous": self._synchronous,
            "filesystem": filesystem_of(self.path),
            "faults": ([] if checked == ["ok"] else checked) + self._misplaced(),
            "warnings": [],
        }

    def _misplaced(self) -> list[str]:
        network = network_filesystem(self.path)
        return (
            [f"{self.location} lies on {network}, a network filesystem: SQLite needs a local disk"] if network else []
        )

    def checkpoint(self) -> None:
        """Move the log into the file and empty it, unless a reader or writer is in the way."""
        with self._writing:
            if self._writer is not None and not self._writer.in_transaction:
                try:
                    self._writer.execute("pragma wal_checkpoint(truncate)").fetchall()
                except sqlite3.Error as error:
                    raise translated(error, self.location) from error

    def _enter(self) -> None:
        """Become the one writer of this process, and then of all."""
        if self._pid != os.getpid():
            self.forget_the_parents()
        if self._copied:
            raise self._forked()
        deadline = time.monotonic() + self._busy_timeout
        if not self._writing.acquire(timeout=self._busy_timeout):
            raise StoreBusy(f"{self.location}: another thread of this process has been writing for too long")
        try:
            if self._writer is not None and self._writer.in_transaction:
                raise StoreBusy(f"{self.location}: a write transaction is already open in this thread")
            self._turnstile.enter(deadline)
        except NotPassed as error:
            self._writing.release()
            raise StoreBusy(
                f"{self.location}: other writers of jobyard held the database for {self._busy_timeout:g} s "
                "(busy_timeout); a transaction of your own on it must be short, and enqueues with connection="
            ) from error
        except BaseException:
            self._writing.release()
            raise

    def _leave(self) -> None:
        if self._copied:
            return
        self._turnstile.leave()
        self._writing.release()

    def _opened_writer(self, *, durable: bool) -> sqlite3.Connection:
        if self._writer is None:
            with self._gate:
                self._writer = self._connect()
            self._durable = True
            if self._writes_much:
                self._writer.execute(f"pragma wal_autocheckpoint = {_LOG_PAGES}")
        if durable is not self._durable and self._synchronous != "NORMAL":
            self._writer.execute(f"pragma synchronous = {self._synchronous if durable else 'NORMAL'}")
            self._durable = durable
        return self._writer

    def _begin(self, *, durable: bool) -> SqliteTransaction:
        try:
            writer = self._opened_writer(durable=durable)
            writer.execute("begin immediate")
        except sqlite3.Error as error:
            raise translated(error, self.location) from error
        return SqliteTransaction(writer, self.location)

    def _end(self, how: str) -> None:
        if self._writer is None:
            raise self._forked()
        try:
            if self._writer.in_transaction:
                self._writer.execute(how)
        except sqlite3.Error as error:
            if self._writer.in_transaction:
                self._writer.rollback()
            raise translated(error, self.location) from error

    def _connect(self) -> sqlite3.Connection:
        if self._copied:
            raise self._forked()
        self._warn_of_network()
        try:
            connection = sqlite3.connect(
                self.path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                timeout=self._busy_timeout,
            )
            self._use_wal(connection)
            connection.execute(f"pragma synchronous = {self._synchronous}")
            connection.execute("pragma temp_store = memory")
            connection.execute("pragma foreign_keys = off")
        except sqlite3.Error as error:
            raise self._cannot_open(error) from error
        return connection

    def _warn_of_network(self) -> None:
        """Once: many processes that map one file over a network do not see the same memory, and jobs are lost."""
        if not self._warned:
            self._warned = True
            if (kind := network_filesystem(self.path)) is not None:
                _log.warning(
                    "%s lies on a network filesystem (%s), where SQLite's write-ahead log is not safe: put it on a "
                    "local disk, or use PostgreSQL for several machines",
                    self.path,
                    kind,
                )

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch to WAL. Where two do so at once in a new file, SQLite refuses one of them without waiting."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                connection.execute("pragma journal_mode = wal").fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.005)

    def _forked(self) -> StoreError:
        return StoreUnavailable(
            f"{self.location}: this process was forked while the database was in use, and could harm it: fork outside "
            "of transactions, or close() the yard before; a program started anew is safe too"
        )

    def _cannot_open(self, error: sqlite3.Error) -> StoreError:
        folder = self.path.parent
        if not folder.is_dir():
            return StoreUnavailable(f"{self.location}: the folder {folder} does not exist; make it or mend the URL")
        return translated(error, self.location)

    def _data_version(self, stop: threading.Event) -> int:
        """A number that differs once another connection has committed; 0 once it was told to *stop*."""
        self.forget_the_parents()
        with self._gate:
            if stop.is_set():  # nobody would close the connection
                return 0
            if self._watcher is None:
                self._watcher = self._connect()
                self._watchers += 1
            return self._watchers << 32 | int(self._watcher.execute("pragma data_version").fetchone()[0])

    def before_fork(self) -> None:
        """Close what is not in use by this very thread, and let nobody open anything until `after_fork`."""
        deadline = time.monotonic() + _PATIENCE
        self._paused = self._writing.acquire(timeout=_PATIENCE)
        self._gate.acquire()
        while any(thread != threading.get_ident() for thread in list(self._reading.values())):
            if time.monotonic() > deadline:
                break
            time.sleep(0.001)
        if self._writer is not None and self._paused and not self._writer.in_transaction:
            self._writer.close()
            self._writer = None
        for connection in (self._watcher, *self._readers):
            if connection is not None:
                connection.close()
        self._watcher = None
        self._readers = []

    def after_fork(self) -> None:
        """Go on as before, in the parent."""
        self._gate.release()
        if self._paused:
            self._writing.release()

    def forget_the_parents(self) -> None:
        """In a fork, begin anew; in any other process do nothing."""
        if self._pid == os.getpid():
            return
        kept = [c for c in (self._writer, self._watcher, *self._readers, *self._reading) if c is not None]
        _abandoned.extend(kept)
        self._copied = self._copied or bool(kept)
        self._writer = self._watcher = None
        self._readers = []
        self._reading = {}
        self._gate = threading.RLock()
        self._writing = threading.RLock()
        self._turnstile = Turnstile(self._turnstile.path)
        self._wake = Wake(self.path, self._data_version)
        self._pid = os.getpid()
