"""A transaction: what is sent in it, and how it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import psycopg

from jobyard.store.driver import Params, Row
from jobyard.store.postgres.faults import translated
from jobyard.store.postgres.line import Call, Line, Reply
from jobyard.store.postgres.statement import batched, numbered
from jobyard.store.postgres.watch import Watch

__all__ = ["PostgresTransaction"]


class PostgresTransaction:
    """
    An open transaction.

    It begins with its first statement, in the same message. A batch is not waited for, nor is a statement before its
    rows are asked for: their errors come with the next statement that is, or with the commit.

    Args:
        begin: what opens it.
        number: a statement that gives the server's number for it.
    """

    def __init__(
        self, line: Line, watch: Watch, schema: str, location: str, begin: Sequence[str], number: str | None
    ) -> None:
        self._line = line
        self._watch = watch
        self._schema = schema
        self._location = location
        self._begin = begin
        self._ask_number = number
        self._number: Reply | None = None
        self.begun = False

    @property
    def number(self) -> str | None:
        """By which the server can be asked what became of it; None if it has not said."""
        rows = self._line.rows(self._number) if self._number is not None else []
        return rows[0][0] if rows else None

    def fetch(self, statement: str, params: Params = {}) -> list[Row]:  # noqa: B006 - never changed
        return self._line.rows(self._answered(self._sent(statement, params)))

    def ask(
        self,
        statement: str,
        params: Params = {},  # noqa: B006 - never changed
        *,
        meanwhile: Callable[[], object] | None = None,
    ) -> Callable[[], list[Row]]:
        reply = self._sent(statement, params)
        if meanwhile is not None:
            self._line.push()
            meanwhile()

        @cache
        def rows() -> list[Row]:
            return self._line.rows(self._answered(reply))

        return rows

    def ask_stream(self, statement: str, params: Params, take: Callable[[list[Row]], object]) -> Callable[[], object]:
        reply = self._sent(statement, params, take)
        return lambda: self._answered(reply)

    def execute(self, statement: str, params: Params = {}) -> int:  # noqa: B006 - never changed
        return self._answered(self._sent(statement, params)).count

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        text, _ = numbered(statement, self._schema)
        for values in batched(statement, rows):
            self._send(Call(text, values))
            self._line.push()

    def commit(self) -> None:
        """Raises psycopg's errors; `is_lost` tells whether what became of it is not known."""
        if not self.begun:
            return
        try:
            self._line.send(Call("commit"))
            self._wait()
        except psycopg.Error:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._wait()
        if not self.is_lost and self._line.in_transaction:
            with contextlib.suppress(psycopg.Error), self._watch.over(self._line.connection):
                self._line.ask(Call("rollback"))

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._line.closed

    def _sent(self, statement: str, params: Params, take: Callable[[list[Row]], object] | None = None) -> Reply:
        text, names = numbered(statement, self._schema)
        return self._send(Call(text, [params[name] for name in names]), take)

    def _send(self, call: Call, take: Callable[[list[Row]], object] | None = None) -> Reply:
        try:
            if not self.begun:
                self.begun = True
                for statement in self._begin:
                    self._line.send(Call(statement))
                if self._ask_number is not None:
                    self._number = self._line.send(Call(self._ask_number))
                self._line.push()  # the server opens it while the first statement is written
            return self._line.send(call, take)
        except psycopg.Error as error:
            raise translated(error, self._location) from error

    def _answered(self, reply: Reply) -> Reply:
        if reply.result is None:
            try:
                self._wait()
            except psycopg.Error as error:
                raise translated(error, self._location) from error
        return reply

    def _wait(self) -> None:
        with self._watch.over(self._line.connection):
            self._line.wait()
