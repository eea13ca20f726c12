"""
The caller's own connection: jobs are written in its transaction and exist if and only if the caller commits.

Rule 1: what a connection is, is decided here, by its class, and no library is imported for it.
Rule 2: nothing here begins what the caller does not know of, and nothing commits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobyard.errors import UsageError
from jobyard.store.driver import Params, Row, Transaction
from jobyard.store.plans import AsyncTransaction
from jobyard.store.sql import positional
from jobyard.store.sqlite import SqliteTransaction, translated

if TYPE_CHECKING:
    from jobyard.store import Store

__all__ = ["async_transaction_on", "transaction_on"]

_SYNC = frozenset(
    {
        ("sqlite3", "Connection"),
        ("sqlalchemy", "Connection"),
        ("sqlalchemy", "Session"),
        ("sqlalchemy", "scoped_session"),
    }
)
_ASYNC = frozenset({("aiosqlite", "Connection"), ("sqlalchemy", "AsyncConnection"), ("sqlalchemy", "AsyncSession")})


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
        case "sqlalchemy", "AsyncConnection":
            return await _on_async_sqlalchemy(connection, store)
        case "sqlalchemy", "AsyncSession":
            return await _on_async_sqlalchemy(await connection.connection(), store)
    return _Awaited(transaction_on(connection, store))


def _kind(connection: Any) -> tuple[str, str]:
    for cls in type(connection).__mro__:
        kind = (cls.__module__.partition(".")[0], cls.__name__)
        if kind in _SYNC or kind in _ASYNC:
            return kind
    msg = (
        f"connection= was given {_name(connection)}; it takes a connection of sqlite3 or aiosqlite, or a connection or "
        "session of SQLAlchemy"
    )
    raise UsageError(msg)


def _name(connection: Any) -> str:
    cls = type(connection)
    return f"an object of {cls.__module__}.{cls.__qualname__}"


def _on_sqlite3(connection: sqlite3.Connection, store: Store) -> Transaction:
    store.ensure()
    transaction = SqliteTransaction(connection, store.location)
    _check_transaction(connection)
    _check_file(transaction.fetch("pragma database_list"), store)
    return transaction


def _on_sqlalchemy(connection: Any, store: Store) -> Transaction:
    _check_driver(connection, "pysqlite")
    if not connection.in_transaction():
        connection.begin()  # else its commit() would find nothing to commit
    return _on_sqlite3(connection.connection.driver_connection, store)


async def _on_aiosqlite(connection: Any, store: Store) -> AsyncTransaction:
    store.ensure()
    transaction = _AiosqliteTransaction(connection, store.location)
    _check_transaction(connection)
    _check_file(await transaction.fetch("pragma database_list", {}), store)
    return transaction


async def _on_async_sqlalchemy(connection: Any, store: Store) -> AsyncTransaction:
    _check_driver(connection, "aiosqlite")
    if not connection.in_transaction():
        await connection.begin()
    raw = await connection.get_raw_connection()
    return await _on_aiosqlite(raw.driver_connection, store)


def _check_driver(connection: Any, driver: str) -> None:
    dialect = connection.dialect
    if (dialect.name, dialect.driver) != ("sqlite", driver):
        msg = f"connection= is on {dialect.name} by {dialect.driver}; jobs are stored in SQLite here, by {driver}"
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
                await cursor.execute(statement, params)
                return list(await cursor.fetchall())
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
