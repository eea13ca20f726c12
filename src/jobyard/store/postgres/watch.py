"""
Notices connections that nobody answers: packets are swallowed, the other machine is gone.

The kernel sees that only while it has something to send again. So, when a statement has had no answer for some seconds,
the server is asked over another connection whether it is at work on it. If it is not, or does not answer either, the
connection is broken here, and whoever waits on it gets an error within 15 s.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection

__all__ = ["Watch"]

_LOOK = 1.0
_SILENT = 5.0
_ANSWER = 6.0
"""Seconds that the server has to say that it is at work."""
_IDLE = 30.0
"""Seconds without a statement after which the thread ends."""
_AT_WORK = "select exists (select from pg_stat_activity where pid = %s and state = 'active')"


class Watch:
    """
    The statements of a process that wait for their answer.

    Args:
        connect: opens another connection, within a few seconds or not at all.
        direct: whether the server knows a connection by its process; not behind a pooler.
    """

    def __init__(self, connect: Callable[[], Connection], *, direct: bool) -> None:
        self._connect = connect
        self._direct = direct
        self._waiting: dict[Connection, float] = {}
        self._thread: threading.Thread | None = None
        self._last = 0.0
        self._closed = threading.Event()

    @contextmanager
    def over(self, connection: Connection) -> Iterator[None]:
        """Something is sent on the connection and answered within the block."""
        self._waiting[connection] = self._last = time.monotonic()
        if self._thread is None:
            self._start()
        try:
            yield
        finally:
            self._waiting.pop(connection, None)

    def _run(self) -> None:
        while self._waiting or (time.monotonic() - self._last < _IDLE and not self._closed.is_set()):
            self._closed.wait(_LOOK)
            for connection, since in list(self._waiting.items()):
                if time.monotonic() - since > _SILENT:
                    self._look_after(connection, since)
        self._thread = None
        if self._waiting:  # it has begun to wait just now
            self._start()

    def close(self) -> None:
        """Let the thread end; a later use starts another."""
        self._closed.set()

    def _start(self) -> None:
        if self._thread is None:
            self._closed = threading.Event()
            self._thread = threading.Thread(target=self._run, name="jobyard-watch", daemon=True)
            self._thread.start()

    def _look_after(self, connection: Connection, since: float) -> None:
        found: list[bool] = []
        asking = threading.Thread(target=self._ask, args=(connection, found), daemon=True)
        asking.start()
        asking.join(_ANSWER)
        if self._waiting.get(connection) != since:
            return  # the answer has come meanwhile
        if found == [True]:
            self._waiting[connection] = time.monotonic()
        else:
            _break(connection)

    def _ask(self, connection: Connection, found: list[bool]) -> None:
        with contextlib.suppress(psycopg.Error), self._connect() as other:
            [(at_work,)] = other.execute(_AT_WORK, [connection.info.backend_pid]).fetchall()
            found.append(at_work or not self._direct)


def _break(connection: Connection) -> None:
    """Whoever waits on it sees the end of the stream."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as theirs:
        theirs.shutdown(socket.SHUT_RDWR)
