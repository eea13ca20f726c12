"""
The caller's own connection: jobs are written in its transaction and exist if and only if the caller commits.

Rule 1: what a connection is, is decided here, by its class, and no library is imported for it.
Rule 2: nothing here begins what the caller does not know of, and nothing commits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from jobyard.errors import UsageError
from jobyard.model.newjob import NewJob
from jobyard.store.driver import Params, Row, Transaction
from jobyard.store.insert import Stored
from jobyard.store.plans import AsyncTransaction, Plan, Query
from jobyard.store.sql import parts, positional
from jobyard.store.sqlite import SqliteTransaction, translated

if TYPE_CHECKING:
    from jobyard.store import Store
    from jobyard.store.postgres import PostgresDriver

__all__ = ["async_transaction_on", "insert_plan", "notice_plan", "single_insert", "transaction_on"]

_SYNC = frozenset(
    {
        ("sqlite3", "Connection"),
        ("psycopg", "Connection"),
        ("sqlalchemy", "Connection"),
        ("sqlalchemy", "Session"),
        ("sqlalchemy", "scoped_session"),
    }
)
_ASYNC = frozenset(
    {
        ("aiosqlite", "Connection"),
        ("psycopg", "AsyncConnection"),
        ("asyncpg", "Connection"),
        ("asyncpg", "PoolConnectionProxy"),
        ("sqlalchemy", "AsyncConnection"),
        ("sqlalchemy", "AsyncSession"),
        ("sqlalchemy", "async_scoped_session"),
    }
)
_DRIVERS = {
    "sqlite": {"pysqlite", "aiosqlite"},
    "postgres": {"psycopg", "psycopg_async", "asyncpg"},
}
"""Those of SQLAlchemy's, by our dialect."""


def transaction_on(connection: Any, store: Store) -> Transaction:
    """
    The transaction that is open on a connection or session of the caller's.

    Raises:
        UsageError: its class is unknown or asynchronous, it is on another database, or each statement on it would
            commit by itself.
    """
    match _kind(connection):
        case "sqlite3", _:
            return _on_sqlite3(connection, store)
        case "psycopg", "Connection":
            return _on_psycopg(connection, store)
        case "sqlalchemy", "Connection":
            return _on_sqlalchemy(connection, store)
        case "sqlalchemy", "Session" | "scoped_session":
            return _on_sqlalchemy(connection.connection(), store)
    msg = f"connection= was given {_name(connection)}, which is asynchronous: use aenqueue (in a task, ctx.aenqueue)"
    raise UsageError(msg)


async def async_transaction_on(connection: Any, store: Store) -> AsyncTransaction:
    """`transaction_on` for asynchronous connections and sessions; takes the others too. Raises `UsageError`."""
    match _kind(connection):
        case "aiosqlite", _:
            return await _on_aiosqlite(connection, store)
        case "psycopg", "AsyncConnection":
            return await _on_async_psycopg(connection, store)
        case "asyncpg", _:
            return await _on_asyncpg(connection, store)
        case "sqlalchemy", "AsyncConnection":
            return await _on_async_sqlalchemy(connection, store)
        case "sqlalchemy", "AsyncSession" | "async_scoped_session":
            return await _on_async_sqlalchemy(await connection.connection(), store)
    return _Awaited(transaction_on(connection, store))


def insert_plan(store: Store, jobs: Sequence[NewJob]) -> Plan[list[Stored]]:
    """Store *jobs* in a caller's transaction, whose commit wakes the workers."""
    stored: list[Stored] = yield from store.jobs.inserter.insert(jobs, store.now(), theirs=True)
    if any(not existing for _, existing in stored):
        yield from notice_plan(store)
    return stored


def notice_plan(store: Store) -> Plan[None]:
    """Have the caller's commit wake those who listen."""
    if (notice := store.driver.notice) is not None:
        yield Query(*notice)


def single_insert(store: Store) -> tuple[str, Params]:
    """
    The one statement that stores a simple job on any connection, whose commit wakes the workers.

    Returns:
        The statement, and those of its parameters that are the same for each job.
    """
    statement = store.driver.qualified(store.jobs.sql.insert_statement)
    if (notice := store.driver.notice) is None:
        return statement, {}
    wake, params = notice
    return f"{statement} returning ({wake})", params


def _kind(connection: Any) -> tuple[str, str]:
    for cls in type(connection).__mro__:
        kind = (cls.__module__.partition(".")[0], cls.__name__)
        if kind in _SYNC or kind in _ASYNC:
            return kind
    msg = (
        f"connection= was given {_name(connection)}; it takes a connection of sqlite3, aiosqlite, psycopg or asyncpg, "
        "or a connection or session of SQLAlchemy on one of them"
    )
    raise UsageError(msg)


def _name(connection: Any) -> str:
    cls = type(connection)
    return f"an object of {cls.__module__}.{cls.__qualname__}"


def _on_sqlite3(connection: sqlite3.Connection, store: Store) -> Transaction:
    transaction = SqliteTransaction(connection, store.location)
    if connection.in_transaction and not store.is_ready:
        _check_tables(transaction.fetch(_TABLES), store)
    _check_dialect(store, "sqlite")
    _check_transaction(connection)
    _check_file(transaction.fetch("pragma database_list"), store)
    return transaction


async def _on_aiosqlite(connection: Any, store: Store) -> AsyncTransaction:
    transaction = _AiosqliteTransaction(connection, store.location)
    if connection.in_transaction and not store.is_ready:
        _check_tables(await transaction.fetch(_TABLES, {}), store)
    _check_dialect(store, "sqlite")
    _check_transaction(connection)
    _check_file(await transaction.fetch("pragma database_list", {}), store)
    return transaction


def _on_psycopg(connection: Any, store: Store) -> Transaction:
    _check_dialect(store, "postgres")
    from jobyard.store.postgres.theirs import on_psycopg  # here: psycopg is an extra

    return on_psycopg(connection, cast("PostgresDriver", store.driver))


async def _on_async_psycopg(connection: Any, store: Store) -> AsyncTransaction:
    _check_dialect(store, "postgres")
    from jobyard.store.postgres.theirs import on_async_psycopg

    return await on_async_psycopg(connection, cast("PostgresDriver", store.driver))


async def _on_asyncpg(connection: Any, store: Store) -> AsyncTransaction:
    _check_dialect(store, "postgres")
    from jobyard.store.postgres.theirs import on_asyncpg

    return await on_asyncpg(connection, cast("PostgresDriver", store.driver))


def _on_sqlalchemy(connection: Any, store: Store) -> Transaction:
    _check_driver(connection, store)
    if not connection.in_transaction():
        connection.begin()  # else its commit() would find nothing to commit
    return transaction_on(connection.connection.driver_connection, store)


async def _on_async_sqlalchemy(connection: Any, store: Store) -> AsyncTransaction:
    _check_driver(connection, store)
    if not connection.in_transaction():
        await connection.begin()
    if connection.dialect.driver == "asyncpg":
        await connection.exec_driver_sql("select 1")  # which is when SQLAlchemy really begins there
    raw = await connection.get_raw_connection()
    return await async_transaction_on(raw.driver_connection, store)


_TABLES = "select name from sqlite_master where name = 'schema_version'"


def _check_tables(found: Sequence[Row], store: Store) -> None:
    """The first use makes the tables, for which it would wait here until the caller's transaction ends: for ever."""
    if store.driver.dialect == "sqlite" and not found:
        msg = (
            f"{store.location} has no tables of jobyard yet, and connection= has begun a transaction on it: call "
            "yard.install() before"
        )
        raise UsageError(msg)


def _check_dialect(store: Store, dialect: str) -> None:
    store.ensure()
    if store.driver.dialect != dialect:
        msg = (
            f"connection= is on {_NAMES[dialect]}, but the jobs are in {_NAMES[store.driver.dialect]}: {store.location}"
        )
        raise UsageError(msg)


_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def _check_driver(connection: Any, store: Store) -> None:
    known = _DRIVERS[store.driver.dialect]
    if connection.dialect.driver not in known:
        msg = (
            f"connection= is on {connection.dialect.name} by {connection.dialect.driver}; jobs are stored in "
            f"{_NAMES[store.driver.dialect]} here, by {' or '.join(sorted(known - {'psycopg_async'}))}"
        )
        raise UsageError(msg)


def _check_transaction(connection: Any) -> None:
    """sqlite3 begins by itself before the first write, unless it was told not to."""
    begins = connection.isolation_level is not None and getattr(connection, "autocommit", False) is not True
    if not connection.in_transaction and not begins:
        msg = (
            "connection= commits each statement by itself and has no open transaction: execute BEGIN on it first, so "
            "that the job and your own work are committed together"
        )
        raise UsageError(msg)


def _check_file(databases: Sequence[Row], store: Store) -> None:
    file = next(file for _, name, file in databases if name == "main")
    if not file or not os.path.samefile(file, store.location):
        msg = f"connection= is on {file or 'a database in memory'}, but the jobs are in {store.location}"
        raise UsageError(msg)


class _AiosqliteTransaction:
    """An `AsyncTransaction` on an aiosqlite connection."""

    def __init__(self, connection: Any, location: str) -> None:
        self._connection = connection
        self._location = location

    async def fetch(self, statement: str, params: Params) -> list[Row]:
        try:
            async with self._connection.cursor() as cursor:
                cursor.row_factory = None
                rows: list[Row] = []
                for part in parts(statement):
                    await cursor.execute(part, params)
                    rows += await cursor.fetchall()
                return rows
        except sqlite3.Error as error:
            raise translated(error, self._location) from error

    async def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(positional(statement), rows)
        except sqlite3.Error as error:
            raise translated(error, self._location) from error


class _Awaited:
    """A transaction on a synchronous connection, for code that awaits it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def fetch(self, statement: str, params: Params) -> list[Row]:
        return self._transaction.fetch(statement, params)

    async def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._transaction.execute_many(statement, rows)
