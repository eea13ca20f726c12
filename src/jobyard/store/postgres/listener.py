"""
Wake-ups by LISTEN and NOTIFY, on a connection of their own.

Rule 1: a listener that is about to sleep leaves a mark, commits it, and looks once more; whoever commits takes the
marks off and notifies only if there were any. So nothing is sent while all are busy: every NOTIFY passes one lock of
the whole server.
Rule 2: a notification may be lost. A listener looks whenever the connection is new, and each sleeper has a slow poll.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable

import psycopg

from jobyard.store.again import growing_pause
from jobyard.store.postgres.connect import Target
from jobyard.store.postgres.watch import Watch

__all__ = ["Listener"]

_log = logging.getLogger("jobyard.store")
_PING = 2.5
"""
Seconds of silence after which the server is asked whether it is still there. With those of `Watch`, a connection that
went silent is given up within 15 s.
"""


class Listener:
    """
    The listeners of this process and the thread that serves them.

    Args:
        name: by which notifications call the listeners of this process; those that call nobody are for all.
        heard: called before the listeners whenever the marks may be gone.
        serve: False for a server, or pooler, that cannot notify.
    """

    def __init__(
        self, target: Target, watch: Watch, channel: str, name: str, heard: Callable[[], None], *, serve: bool
    ) -> None:
        self._target = target
        self._watch = watch
        self._channel = channel
        self._name = name
        self._heard = heard
        self._serves = serve
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._thread: _Thread | None = None

    @property
    def is_on(self) -> bool:
        """Whether the server has been told to notify this process, as far as is known."""
        thread = self._thread
        return thread is not None and thread.is_on

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._callbacks = [*self._callbacks, callback]
            if self._serves and self._thread is None:
                self._thread = _Thread(self._target, self._watch, self._channel, self._name, self._wake)
                self._thread.start()
        return lambda: self._forget(callback)

    def tell(self, by: Callable[[], None] | None = None) -> None:
        """Call all listeners of this process but the one that says so."""
        for callback in self._callbacks:
            if callback != by:
                callback()

    def close(self) -> None:
        with self._lock:
            self._callbacks = []
            self._end()

    def _wake(self) -> None:
        self._heard()
        self.tell()

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks = [c for c in self._callbacks if c is not callback]
            if not self._callbacks:
                self._end()

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None


class _Thread(threading.Thread):
    """Listens until it is stopped, over as many connections as it takes."""

    def __init__(self, target: Target, watch: Watch, channel: str, name: str, wake: Callable[[], None]) -> None:
        super().__init__(name="jobyard-listen", daemon=True)
        self.is_on = False
        self._target = target
        self._watch = watch
        self._channel = channel
        self._called = {b"", name.encode()}
        self._wake = wake
        self._stopping = threading.Event()
        self._stopper, self._stopped = socket.socketpair()

    def stop(self) -> None:
        self._stopping.set()
        self._stopper.close()
        if self is not threading.current_thread():
            self.join(timeout=1)

    def run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                with self._target.connect() as connection:
                    with self._watch.over(connection):
                        connection.execute(f'listen "{self._channel}"')
                    self.is_on = True
                    failures = 0
                    self._wake()  # what happened while nobody listened
                    self._heed(connection)
            except psycopg.Error as error:
                failures += 1
                pause = growing_pause(failures)
                _log.debug("listening broke off (%s); again in %.1f s", error, pause)
                self._stopping.wait(pause)
            finally:
                self.is_on = False
        self._stopped.close()

    def _heed(self, connection: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([connection.fileno(), self._stopped.fileno()], [], [], _PING)
            if not ready:
                with self._watch.over(connection):
                    connection.execute("select 1")
            connection.pgconn.consume_input()
            if self._is_called(connection):
                self._wake()

    def _is_called(self, connection: psycopg.Connection) -> bool:
        """Whether there were notifications for this process; all that have arrived are taken."""
        found = False
        while (notification := connection.pgconn.notifies()) is not None:
            found = found or notification.extra in self._called
        return found
