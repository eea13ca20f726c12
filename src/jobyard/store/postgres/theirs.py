"""
Transactions of the caller's on PostgreSQL, on connections of psycopg and asyncpg.

Rule 1: nothing is set on the connection; names are qualified, and types are those of its own adapters or stronger.
Rule 2: it is on the same server and schema, which is asked once for each connection and schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8Dumper

from jobyard.errors import StoreError, StoreUnavailable, UsageError
from jobyard.store.driver import Params, Row
from jobyard.store.postgres import PLACE, PostgresDriver
from jobyard.store.postgres.faults import translated
from jobyard.store.postgres.statement import batched, numbered

__all__ = ["on_async_psycopg", "on_asyncpg", "on_psycopg"]

_places: WeakKeyDictionary[Any, dict[str, Row]] = WeakKeyDictionary()
"""Of each connection, where it is, by schema. It outlives the tables: `uninstall` and `upgrade` make others."""


def on_psycopg(connection: Connection[Any], driver: PostgresDriver) -> _Psycopg:
    """The transaction on a connection of psycopg. Raises `UsageError`."""
    transaction = _Psycopg(connection, driver)
    transaction.wait()
    _check_status(connection)
    if not _is_known(connection, driver):
        [place] = transaction.fetch(PLACE, {})
        _check_place(place, driver)
        _places.setdefault(connection, {})[driver.schema] = place
    return transaction


async def on_async_psycopg(connection: AsyncConnection[Any], driver: PostgresDriver) -> _AsyncPsycopg:
    """The transaction on an asynchronous connection of psycopg. Raises `UsageError`."""
    transaction = _AsyncPsycopg(connection, driver)
    await transaction.wait()
    _check_status(connection)
    if not _is_known(connection, driver):
        [place] = await transaction.fetch(PLACE, {})
        _check_place(place, driver)
        _places.setdefault(connection, {})[driver.schema] = place
    return transaction


async def on_asyncpg(connection: Any, driver: PostgresDriver) -> _Asyncpg:
    """The transaction on a connection of asyncpg. Raises `UsageError`."""
    if not connection.is_in_transaction():
        raise _autocommit()
    transaction = _Asyncpg(connection, driver)
    _check_place((await transaction.fetch(PLACE, {}))[0], driver)
    return transaction


def _check_status(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    if connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE:
        raise _autocommit()


def _autocommit() -> UsageError:
    return UsageError(
        "connection= commits each statement by itself and has no open transaction: begin one first, so that the job "
        "and your own work are committed together"
    )


def _is_known(connection: Any, driver: PostgresDriver) -> bool:
    """Whether the connection was found to be where the driver still is."""
    place = _places.get(connection, {}).get(driver.schema)
    return place is not None and driver.is_at(place)


def _check_place(found: Row, driver: PostgresDriver) -> None:
    if not driver.is_at(found):
        msg = f"connection= is on database {found[0]!r} of another server or without these tables; the jobs are in "
        raise UsageError(msg + driver.location)


class _Psycopg:
    """A `Transaction` on a synchronous connection."""

    def __init__(self, connection: Connection[Any], driver: PostgresDriver) -> None:
        self._connection = connection
        self._driver = driver

    def wait(self) -> None:
        """In a pipeline of the caller's, for what was sent: only then is it known whether a transaction is open."""
        if self._connection.info.pipeline_status:
            try:
                with self._connection.pipeline() as theirs:
                    theirs.sync()
            except psycopg.Error as error:
                raise translated(error, self._driver.location) from error

    def fetch(self, statement: str, params: Params = {}) -> list[Row]:  # noqa: B006 - never changed
        cursor = self._run(statement, params)
        return cursor.fetchall() if cursor.description else []

    def ask(
        self,
        statement: str,
        params: Params = {},  # noqa: B006 - never changed
        *,
        meanwhile: Callable[[], object] | None = None,
    ) -> Callable[[], list[Row]]:
        if meanwhile is not None:
            meanwhile()
        rows = self.fetch(statement, params)
        return lambda: rows

    def ask_stream(self, statement: str, params: Params, take: Callable[[list[Row]], object]) -> Callable[[], object]:
        take(self.fetch(statement, params))
        return lambda: None

    def execute(self, statement: str, params: Params = {}) -> int:  # noqa: B006 - never changed
        return self._run(statement, params).rowcount

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        text, values = _batch(statement, rows, self._driver)
        try:
            for each in values:
                self._cursor().execute(text, each)
        except psycopg.Error as error:
            raise translated(error, self._driver.location) from error
        self.wait()

    def _run(self, statement: str, params: Params) -> RawCursor[Row]:
        text, names = numbered(statement, self._driver.schema)
        try:
            cursor = self._cursor().execute(text, [params[name] for name in names])
        except psycopg.Error as error:
            raise translated(error, self._driver.location) from error
        self.wait()
        return cursor

    def _cursor(self) -> RawCursor[Row]:
        cursor = RawCursor(self._connection, row_factory=tuple_row)
        cursor.adapters.register_dumper(int, Int8Dumper)
        return cursor


class _AsyncPsycopg:
    """An `AsyncTransaction` on an asynchronous connection of psycopg."""

    def __init__(self, connection: AsyncConnection[Any], driver: PostgresDriver) -> None:
        self._connection = connection
        self._driver = driver

    async def wait(self) -> None:
        """As that of `_Psycopg`."""
        if self._connection.info.pipeline_status:
            try:
                async with self._connection.pipeline() as theirs:
                    await theirs.sync()
            except psycopg.Error as error:
                raise translated(error, self._driver.location) from error

    async def fetch(self, statement: str, params: Params) -> list[Row]:
        text, names = numbered(statement, self._driver.schema)
        try:
            cursor = await self._cursor().execute(text, [params[name] for name in names])
            await self.wait()
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise translated(error, self._driver.location) from error

    async def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        text, values = _batch(statement, rows, self._driver)
        try:
            for each in values:
                await self._cursor().execute(text, each)
        except psycopg.Error as error:
            raise translated(error, self._driver.location) from error
        await self.wait()

    def _cursor(self) -> AsyncRawCursor[Row]:
        cursor = AsyncRawCursor(self._connection, row_factory=tuple_row)
        cursor.adapters.register_dumper(int, Int8Dumper)
        return cursor


class _Asyncpg:
    """An `AsyncTransaction` on a connection of asyncpg."""

    def __init__(self, connection: Any, driver: PostgresDriver) -> None:
        self._connection = connection
        self._driver = driver

    async def fetch(self, statement: str, params: Params) -> list[Row]:
        text, names = numbered(statement, self._driver.schema)
        try:
            return [tuple(row) for row in await self._connection.fetch(text, *[params[name] for name in names])]
        except Exception as error:
            raise self._translated(error) from error

    async def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        text, values = _batch(statement, rows, self._driver)
        try:
            for each in values:
                await self._connection.execute(text, *each)
        except Exception as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> StoreError | Exception:
        """By the code of SQL, so that asyncpg need not be imported."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return error if not isinstance(error, OSError) else StoreUnavailable(f"{self._driver.location}: {error}")
        try:
            kind = psycopg.errors.lookup(state)
        except KeyError:
            kind = psycopg.OperationalError
        return translated(kind(str(error)), self._driver.location)


def _batch(
    statement: str, rows: Sequence[Sequence[Any]], driver: PostgresDriver
) -> tuple[str, Sequence[Sequence[Any]]]:
    """The statement, and its parameters for each time that it is to be run."""
    return numbered(statement, driver.schema)[0], batched(statement, rows)
