"""
A connection that sends statements ahead and takes their answers when they are needed.

It speaks libpq's pipeline mode itself. psycopg works out anew at each call what the parameters of a statement are and
how it is known to the server, which costs more than the server takes for a small statement. Here each statement is
prepared when it is first sent, in the same message, and all parameters travel as text; psycopg opens the connection,
tells errors apart and reads the rows.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from jobyard.model.text import escape
from jobyard.store.driver import Row
from jobyard.store.postgres.statement import array_text

__all__ = ["FRESH", "Call", "Line", "Reply", "Value"]

Value = str | int | float | bytes | list[Any] | None
Take = Callable[[list[Row]], object]
Prepared = tuple[str, tuple[int, ...]]
"""A statement and the types of its parameters."""

_TYPES: dict[type, int] = {bool: 16, bytes: 17, int: 20, float: 701}
"""The types (oid) of the server that parameters have; of text and null it finds out by what they are used for."""
_PATIENCE_S = 5.0
_MOST_PREPARED = 500
"""Statements that a connection remembers: all of jobyard's, and those that filters make up."""
FRESH = 0.02
"""Seconds after an answer in which a connection counts as usable: to make sure would take a tenth of an enqueue."""
_CHUNK = 200
"""Rows that are taken at a time where not all are waited for; older versions of libpq give all at once."""
_ROWS = (ExecStatus.TUPLES_CHUNK, ExecStatus.TUPLES_OK)
_REFUSED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


class Call(NamedTuple):
    """A statement and its parameters."""

    statement: str
    values: Sequence[Value] = ()


class Reply:
    """
    What a statement gives, once it has been waited for.

    Args:
        prepares: the statement that this prepares, which gives nothing.
        take: who is given the rows as they come, some at a time, while the server makes the others.
    """

    __slots__ = ("prepares", "result", "take")

    def __init__(self, prepares: Prepared | None = None, take: Take | None = None) -> None:
        self.result: PGresult | None = None
        self.prepares = prepares
        self.take = take

    @property
    def count(self) -> int:
        """How many rows were changed or found."""
        return (self.result.command_tuples or 0) if self.result else 0


class Line:
    """
    A connection in autocommit, used by one thread at a time.

    Args:
        connection: nobody else uses it.
        prepares: whether the server remembers statements from one transaction to the next; a pooler may not.
    """

    def __init__(self, connection: Connection[Any], *, prepares: bool) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._prepares = prepares
        self._names: dict[Prepared, bytes] = {}
        self._named = 0
        self._due: deque[Reply | None] = deque()
        """The replies that are still to come, in order; None where the server makes a break."""
        self._posted = 0
        """How many breaks end with what nobody waits for."""
        self._heard = 0.0
        """When the server last answered (monotonic)."""
        self.process: Row | None = None
        """By what the process of the server can be told from all others, if that was asked."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, as far as is known."""
        return self.connection.closed

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, and is not about to end by what was sent."""
        return not self._due and self._pgconn.transaction_status != TransactionStatus.IDLE

    def send(self, call: Call, take: Take | None = None) -> Reply:
        """
        Have the server run a statement, after all that was sent before; *take* is as in `Reply`.

        The statements between two waits are one transaction unless they say otherwise, and where one is refused those
        behind it are not run. Raises psycopg's errors if the connection is broken.
        """
        if not self._due:
            self._pgconn.enter_pipeline_mode()
        values = [_text(value) for value in call.values]
        types = tuple([_TYPES.get(type(value), 0) for value in call.values])
        prepared = call.statement, types
        if self._prepares and (prepared in self._names or len(self._names) < _MOST_PREPARED):
            self._pgconn.send_query_prepared(self._name(prepared), values)
        else:
            self._pgconn.send_query_params(call.statement.encode(), values, types)
        reply = Reply(take=take)
        self._due.append(reply)
        return reply

    def push(self) -> None:
        """Have what was sent leave now, as far as the network takes it."""
        self._pgconn.flush()

    def wait(self) -> None:
        """
        Wait for all that was sent.

        Raises:
            psycopg.Error: one of the statements was refused, or the connection is broken.
        """
        self._break()
        self._take(self._older())

    def rows(self, reply: Reply) -> list[Row]:
        """The rows of a reply that was waited for."""
        result = reply.result
        return [] if result is None or result.status != ExecStatus.TUPLES_OK else self._read(result)

    def ask(self, call: Call, then: Call | None = None) -> list[Row]:
        """
        Run a statement in a transaction of its own and return its rows.

        Args:
            then: it is sent along and run once the first is committed, but not waited for: neither its rows nor its
                errors matter.

        Raises:
            psycopg.Error: the statement was refused, or the connection is broken.
        """
        older = self._older()
        reply = self.send(call)
        self._break()
        if then is not None:
            self.post(then)
        self._take(older)
        return self.rows(reply)

    def post(self, call: Call) -> None:
        """Have the server run a statement in a transaction of its own, and do not wait."""
        self.send(call)
        self._break()
        self._posted += 1
        self.push()

    def is_usable(self) -> bool:
        """
        Whether it can be used again: the server has not said goodbye. What is on its way is not waited for.

        Just after an answer nobody looks: a connection lost in that moment is an error of whoever uses it next.
        """
        if time.monotonic() - self._heard < FRESH:
            return not self.closed
        if self._posted and not self._waits(0):
            return not self.closed
        try:
            for _ in range(self._older()):
                self._receive(_PATIENCE_S)
        except psycopg.Error:
            return False
        return not self.closed and not self._waits(0)

    def close(self) -> None:
        self.connection.close()

    def _name(self, prepared: Prepared) -> bytes:
        name = self._names.get(prepared)
        if name is None:
            self._named += 1
            name = self._names[prepared] = f"jobyard_{self._named}".encode()
            statement, types = prepared
            self._pgconn.send_prepare(name, statement.encode(), types)
            self._due.append(Reply(prepared))
        return name

    def _break(self) -> None:
        self._pgconn.pipeline_sync()
        self._due.append(None)

    def _older(self) -> int:
        """How many breaks of what was posted come before what is sent next; they are the caller's now."""
        older, self._posted = self._posted, 0
        return older

    def _take(self, older: int) -> None:
        for _ in range(older):
            self._receive(None)
        refused = self._receive(None)
        self._heard = time.monotonic()
        if refused is not None:
            raise refused

    def _receive(self, timeout: float | None) -> psycopg.Error | None:
        """Take the replies up to the next break; returns the first error of the server among them."""
        try:
            return self._received(timeout)
        except BaseException:  # Ctrl-C too: nobody knows which reply comes next
            self.close()
            raise

    def _received(self, timeout: float | None) -> psycopg.Error | None:
        while self._pgconn.flush():
            self._waits(timeout, select.POLLIN | select.POLLOUT)
            self._pgconn.consume_input()
        refused = None
        while (reply := self._due.popleft()) is not None:
            # What is behind a refused statement has no rows, and libpq would have none taken by the chunk.
            reply.result = result = self._result(reply, timeout) if refused is None else self._next(timeout)
            self._next(timeout)  # the end of this one
            if result is not None and result.status in _REFUSED:
                if reply.prepares is not None:
                    self._names.pop(reply.prepares, None)
                refused = refused or self._error(result)
        self._pass_break(timeout)
        if not self._due:
            self._pgconn.exit_pipeline_mode()
        return refused

    def _result(self, reply: Reply, timeout: float | None) -> PGresult | None:
        """The result of a statement, or what is left of it once its rows have been taken."""
        if reply.take is None:
            return self._next(timeout)
        with suppress(psycopg.NotSupportedError):
            self._pgconn.set_chunked_rows_mode(_CHUNK)
        while (result := self._next(timeout)) is not None and result.status in _ROWS:
            reply.take(self._read(result))
            if result.status == ExecStatus.TUPLES_OK:
                break
        return result

    def _read(self, result: PGresult) -> list[Row]:
        reader = Transformer(self.connection)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, tuple)

    def _pass_break(self, timeout: float | None) -> None:
        """Only here is what was not in a transaction committed: until then its replies promise nothing."""
        result = self._next(timeout)
        if result is None or result.status != ExecStatus.PIPELINE_SYNC:
            msg = result.get_error_message() if result is not None else "the connection was lost"
            raise psycopg.OperationalError(msg)

    def _next(self, timeout: float | None) -> PGresult | None:
        while self._pgconn.is_busy():
            if not self._waits(timeout):
                msg = "the server does not answer"
                raise psycopg.OperationalError(msg)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _error(self, result: PGresult) -> psycopg.Error:
        if self._pgconn.status == ConnStatus.BAD:
            return psycopg.OperationalError(result.get_error_message())
        return error_from_result(result)

    def _waits(self, timeout: float | None, events: int = select.POLLIN) -> bool:
        """Whether the socket is ready within so many seconds; None: however long it takes."""
        poll = select.poll()
        poll.register(self._pgconn.socket, events)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


def _text(value: Value) -> bytes | None:
    if value is None:
        return None
    if type(value) is int:
        return b"%d" % value
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    # libpq would end the text at a NUL, and find what has a shorter name.
    return escape(array_text(value) if isinstance(value, list) else str(value)).encode()
