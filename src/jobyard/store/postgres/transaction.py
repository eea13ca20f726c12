"""A transaction: what is sent in it, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from jobyard.store.driver import Params, Row
from jobyard.store.postgres.faults import translated
from jobyard.store.postgres.line import Line
from jobyard.store.postgres.statement import array_text, batched, numbered
from jobyard.store.postgres.watch import Watch

__all__ = ["PostgresTransaction"]


class PostgresTransaction:
    """
    An open transaction on a connection, in pipeline mode.

    It begins with its first statement, in the same message. A batch is not waited for, nor is a statement before its
    rows are asked for: their errors come with the next statement that is, or with the commit.

    Args:
        begin: what opens it; the last of these gives the server's number for it, unless it is read-only.
    """

    def __init__(self, connection: Line, watch: Watch, schema: str, location: str, begin: Sequence[str]) -> None:
        self._connection = connection
        self._watch = watch
        self._schema = schema
        self._location = location
        self._begin = begin
        self._mode = contextlib.ExitStack()
        self._pipeline = self._mode.enter_context(connection.pipeline())
        self._opening: RawCursor[Row] | None = None
        self.number: int | None = None
        """By which the server can be asked what became of it; None if it has not said."""
        self.begun = False
        self._asked = self._answered = 0
        """How many statements with rows were sent, and how many of them were waited for."""
        self.actions: list[Callable[[], None]] = []

    def fetch(self, statement: str, params: Params = {}) -> list[Row]:  # noqa: B006 - never changed
        return self.ask(statement, params)()

    def ask(self, statement: str, params: Params = {}) -> Callable[[], list[Row]]:  # noqa: B006 - never changed
        cursor = self._sent(statement, params)
        number = self._asked

        @cache
        def rows() -> list[Row]:
            self._wait_for(number)
            return cursor.fetchall() if cursor.rownumber is not None else []

        return rows

    def execute(self, statement: str, params: Params = {}) -> int:  # noqa: B006 - never changed
        cursor = self._sent(statement, params)
        self._wait_for(self._asked)
        return cursor.rowcount

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        text, _ = numbered(statement, self._schema)
        for values in batched(statement, rows):
            self._send(text, [array_text(value) if isinstance(value, list) else value for value in values])

    def after_commit(self, action: Callable[[], None]) -> None:
        self.actions.append(action)

    def commit(self) -> None:
        """Raises psycopg's errors; `is_lost` tells whether what became of it is not known."""
        try:
            if self.begun:
                self._execute("commit")
            with self._watch.over(self._connection):
                self._mode.close()  # the one round trip of it
            self._answered = self._asked
        except psycopg.Error:
            self._let_go()
            raise

    def roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error), self._watch.over(self._connection):
            self._mode.close()
        self._let_go()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.closed

    def _let_go(self) -> None:
        if not self.is_lost and self._connection.info.transaction_status != TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error), self._watch.over(self._connection):
                self._connection.execute("rollback")
                self._connection.forget()

    def _sent(self, statement: str, params: Params) -> RawCursor[Row]:
        text, names = numbered(statement, self._schema)
        self._asked += 1
        return self._send(text, [params[name] for name in names])

    def _wait_for(self, number: int) -> None:
        """Until the statement of this number, and all that were sent, have been answered."""
        if number <= self._answered:
            return
        try:
            with self._watch.over(self._connection):
                self._pipeline.sync()
            self._answered = self._asked
            if self._opening is not None and self._opening.description:
                [(self.number, *_)] = self._opening.fetchall()
                self._opening = None
        except psycopg.Error as error:
            raise translated(error, self._location) from error

    def _send(self, text: str, params: Sequence[Any]) -> RawCursor[Row]:
        try:
            if not self.begun:
                self.begun = True
                for statement in self._begin:
                    self._opening = self._execute(statement)
            return self._execute(text, params)
        except psycopg.Error as error:
            raise translated(error, self._location) from error

    def _execute(self, text: str, params: Sequence[Any] = ()) -> RawCursor[Row]:
        return RawCursor(self._connection, row_factory=tuple_row).execute(text, params)
