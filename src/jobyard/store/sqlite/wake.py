"""
Wake-ups between the processes around one file.

Each listening process has a datagram socket in a folder beside the database; whoever makes work sends a byte to all of
them. ``data_version``, looked at every 50 ms, is the net below, and all there is for commits that are not jobyard's.
Sockets are loaded where there is somebody to listen to, or to wake.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobyard.store.sqlite.datagrams import Inbox, Outbox

__all__ = ["Wake"]

_LOOK = 0.05
_TICK = 50_000_000
"""Nanoseconds, well above the resolution of file times."""
_log = logging.getLogger("jobyard.store")


class Wake:
    """The listeners of this process, the thread that serves them, and the way to those of others."""

    def __init__(self, database: Path, data_version: Callable[[threading.Event], int]) -> None:
        self._folder = database.with_name(database.name + "-wake")
        self._data_version = data_version
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._inbox: Inbox | None = None
        self._stop = threading.Event()
        self._outbox: Outbox | None = None
        self._names: list[str] = []
        """The sockets in the folder, as of its last change."""
        self._changed = 0

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._callbacks = [*self._callbacks, callback]
            if self._thread is None:
                self._stop = threading.Event()
                self._inbox = self._opened()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._stop, self._inbox), name="jobyard-wake", daemon=True
                )
                self._thread.start()
        return lambda: self._forget(callback)

    def notify(self, *, everywhere: bool, by: Callable[[], None] | None = None) -> None:
        for callback in self._callbacks:
            if callback != by:
                callback()
        if everywhere:
            self._send()

    def close(self) -> None:
        with self._lock:
            self._callbacks = []
            thread, self._thread = self._thread, None
            self._stop.set()
            if self._outbox is not None:
                self._outbox.close()
                self._outbox = None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks = [c for c in self._callbacks if c is not callback]
            if not self._callbacks and self._thread is not None:
                self._stop.set()
                self._thread = None
                if self._inbox is not None:
                    self._inbox.withdraw()  # the process may end before the thread does

    def _serve(self, stop: threading.Event, inbox: Inbox | None) -> None:
        with contextlib.closing(inbox) if inbox is not None else contextlib.nullcontext():
            version = None
            while not stop.is_set():
                if inbox.received() if inbox is not None else stop.wait(_LOOK):
                    self._call(stop)
                with contextlib.suppress(Exception):  # the database may be away for a while: others say so
                    version, before = self._data_version(stop), version
                    if version != before:
                        self._call(stop)

    def _call(self, stop: threading.Event) -> None:
        if not stop.is_set():
            for callback in self._callbacks:
                callback()

    def _opened(self) -> Inbox | None:
        from jobyard.store.sqlite.datagrams import Inbox

        try:
            return Inbox(self._folder, _LOOK)
        except OSError as error:
            _log.debug("no wake-up socket in %s (%s); looking every %d ms", self._folder, error, _LOOK * 1000)
            return None

    def _send(self) -> None:
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._changed:
                self._names = os.listdir(self._folder)
                # A change within the same tick of the file system's clock would not show: do not trust a fresh one.
                self._changed = changed if time.time_ns() - changed > _TICK else 0
        except OSError:
            return
        if not self._names:
            return
        from jobyard.store.sqlite.datagrams import Outbox

        with self._lock, contextlib.suppress(OSError):  # no socket to be had: who listens looks all the same
            if self._outbox is None:
                self._outbox = Outbox(self._folder)
            self._outbox.send(self._names)
