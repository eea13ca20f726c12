"""
A connection on which single statements take the short way.

psycopg works out anew at each call what a statement's parameters are and how its rows are to be read, which costs more
than the server takes for a small insert. Here everything travels as text in a statement that the server knows by name,
and one whose answer does not matter is not waited for.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import Connection
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from jobyard.store.driver import Row

__all__ = ["Call", "Line"]

_INTEGERS = {20, 21, 23}
"""The types (oid) of the server that are numbers here; all else is text."""
_PATIENCE_S = 5.0


class Call(NamedTuple):
    """A statement, the name by which the server is to know it, and numbers and text for its parameters."""

    name: str
    statement: str
    values: Sequence[str | int | None]


class Line(Connection[Row]):
    """A connection in autocommit, used by one thread at a time."""

    _known: frozenset[str] = frozenset()
    _forgotten = 0
    """How often what is known was forgotten: in case the server has not, new names are used."""
    _posted = False
    """Whether answers are still to come."""

    def ask(self, call: Call, then: Call | None = None) -> list[Row]:
        """
        Run a statement and return its rows, of numbers and text.

        Args:
            then: it is sent along and run once the first is committed, but not waited for: neither its rows nor its
                errors matter.

        Raises:
            psycopg.Error: the statement was refused, or the connection is broken.
        """
        try:
            return self._asked(call, then)
        except psycopg.errors.InvalidSqlStatementName:
            self.forget()
            self.is_usable()
            return self._asked(call, then)

    def _asked(self, call: Call, then: Call | None) -> list[Row]:
        self._send(call, *([then] if then else []))
        results = self._results()
        if then is not None:
            self._posted = True
        else:
            self.pgconn.exit_pipeline_mode()
        return [row for result in results for row in _rows(result)]

    def post(self, call: Call) -> None:
        """Have the server run a statement, and do not wait."""
        self._send(call)
        self._posted = True

    def forget(self) -> None:
        """The server may have forgotten its statements: psycopg has it do so after a rollback, a DROP or an ALTER."""
        self._known = frozenset()
        self._forgotten += 1

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open on it."""
        return not self.closed and (self._posted or self.info.transaction_status == TransactionStatus.IDLE)

    def is_usable(self) -> bool:
        """Whether it can be used again: what was posted is answered, and the server has not said goodbye."""
        try:
            if self._posted:
                self._posted = False
                self._results(_PATIENCE_S)
                self.pgconn.exit_pipeline_mode()
        except psycopg.Error:
            return False
        return not self.closed and not self._waits(0)

    def _send(self, *calls: Call) -> None:
        for name, statement, _ in calls:
            if name not in self._known:
                self.execute(f"prepare {name}_{self._forgotten} as {statement}")
                self._known |= {name}
        pgconn = self.pgconn
        pgconn.enter_pipeline_mode()
        for name, _, values in calls:
            prepared = f"{name}_{self._forgotten}".encode()
            pgconn.send_query_prepared(prepared, [None if v is None else str(v).encode() for v in values])
            pgconn.pipeline_sync()
        while pgconn.flush():
            self._waits(None, select.POLLIN | select.POLLOUT)
            pgconn.consume_input()

    def _results(self, timeout: float | None = None) -> list[PGresult]:
        """The results of the next statement."""
        pgconn = self.pgconn
        results: list[PGresult] = []
        while True:
            while pgconn.is_busy():
                if not self._waits(timeout):
                    msg = "the server does not answer"
                    raise psycopg.OperationalError(msg)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                if self.closed:
                    msg = "the server closed the connection"
                    raise psycopg.OperationalError(msg)
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _waits(self, timeout: float | None, events: int = select.POLLIN) -> bool:
        """Whether the socket is ready within so many seconds; None: however long it takes."""
        poll = select.poll()
        poll.register(self.fileno(), events)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


def _rows(result: PGresult) -> list[Row]:
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result)
    readers = [int if result.ftype(column) in _INTEGERS else bytes.decode for column in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, column)) is None else read(value)
            for column, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]
