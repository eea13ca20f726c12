"""
The connections of a process.

Not psycopg_pool: a server that cannot be reached must be an error at once, with the server's words, where a pool would
go on trying in the background; the heartbeat must have a connection when all others are taken; and no threads run, so
there is nothing that a fork or the end of the interpreter could catch unawares.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobyard.errors import StoreBusy
from jobyard.store.postgres.line import Line

__all__ = ["Pool"]

_KEPT = 4
_abandoned: list[Line] = []
"""Connections that a fork copied into this process: closing them would end the parent's."""


class Pool:
    """
    Connections that are opened when needed and used again.

    Args:
        size: how many may be in use at the same time, those with priority aside.
        timeout: seconds to wait for one.
    """

    def __init__(self, connect: Callable[[], Line], location: str, *, size: int, timeout: float) -> None:
        self._connect = connect
        self._location = location
        self._size = size
        self._timeout = timeout
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[Line] = []

    @contextmanager
    def connection(self, *, priority: bool = False) -> Iterator[Line]:
        """
        A connection for the block; one that breaks in it is thrown away.

        Raises:
            StoreBusy: all were in use for longer than the timeout.
        """
        if not priority and not self._free.acquire(timeout=self._timeout):
            msg = f"{self._location}: all {self._size} connections of this process were in use for {self._timeout:g} s"
            raise StoreBusy(msg)
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._put(connection)
        finally:
            if not priority:
                self._free.release()

    def abandon(self) -> None:
        """Let the connections be: they are those of the process that this one was forked from."""
        _abandoned.extend(self._idle)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> Line:
        while True:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return self._connect()

    def _put(self, connection: Line) -> None:
        with self._lock:
            if not connection.closed and not connection.in_transaction and len(self._idle) < _KEPT:
                self._idle.append(connection)
                return
        connection.close()
