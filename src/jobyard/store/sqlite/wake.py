"""
Wake-ups between the processes around one file.

Each listening process has a datagram socket in a folder beside the database; whoever makes work sends a byte to all of
them. ``data_version``, looked at every 50 ms, is the net below, and all there is for commits that are not jobyard's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Wake"]

_LOOK = 0.05
_TICK = 50_000_000
"""Nanoseconds, well above the resolution of file times."""
_log = logging.getLogger("jobyard.store")


class Wake:
    """The listeners of this process, the thread that serves them, and the way to those of others."""

    def __init__(self, database: Path, data_version: Callable[[], int]) -> None:
        self._folder = database.with_name(database.name + "-wake")
        self._data_version = data_version
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._sender: socket.socket | None = None
        self._names: list[str] = []
        """The sockets in the folder, as of its last change."""
        self._changed = 0

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._callbacks = [*self._callbacks, callback]
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(
                    target=self._serve, args=(self._stop,), name="jobyard-wake", daemon=True
                )
                self._thread.start()
        return lambda: self._forget(callback)

    def notify(self, *, everywhere: bool) -> None:
        for callback in self._callbacks:
            callback()
        if everywhere:
            self._send()

    def close(self) -> None:
        with self._lock:
            self._callbacks = []
            thread, self._thread = self._thread, None
            self._stop.set()
            if self._sender is not None:
                self._sender.close()
                self._sender = None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks = [c for c in self._callbacks if c is not callback]
            if not self._callbacks and self._thread is not None:
                self._stop.set()
                self._thread = None

    def _serve(self, stop: threading.Event) -> None:
        inbox = self._opened()
        version = None
        while not stop.is_set():
            if _received(inbox) if inbox is not None else stop.wait(_LOOK):
                self._call(stop)
            with contextlib.suppress(Exception):  # the database may be away for a while: others say so
                version, before = self._data_version(), version
                if version != before:
                    self._call(stop)
        if inbox is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._folder / self._name)
            inbox.close()

    def _call(self, stop: threading.Event) -> None:
        if not stop.is_set():
            for callback in self._callbacks:
                callback()

    def _opened(self) -> socket.socket | None:
        if not hasattr(socket, "AF_UNIX"):
            return None
        self._name = f"{os.getpid()}-{os.urandom(4).hex()}"
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._folder.mkdir(exist_ok=True)
            inbox.bind(_short(self._folder / self._name))
        except OSError as error:
            inbox.close()
            _log.debug("no wake-up socket in %s (%s); looking every %d ms", self._folder, error, _LOOK * 1000)
            return None
        inbox.settimeout(_LOOK)
        return inbox

    def _send(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            return
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
        with self._lock:
            if self._sender is None:
                self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._sender.setblocking(False)
            for name in self._names:
                if not name.startswith(f"{os.getpid()}-"):  # our own listeners were called already
                    _poke(self._sender, self._folder / name)


def _poke(sender: socket.socket, target: Path) -> None:
    try:
        sender.sendto(b"!", _short(target))
    except BlockingIOError:
        pass  # its buffer is full of wake-ups
    except ConnectionRefusedError:
        with contextlib.suppress(OSError):
            target.unlink()  # its process was killed
    except OSError:
        pass


def _received(inbox: socket.socket) -> bool:
    try:
        inbox.recv(16)
        inbox.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while inbox.recv(16):
                pass
    except TimeoutError:
        return False
    except OSError:
        return False
    finally:
        inbox.settimeout(_LOOK)
    return True


def _short(path: Path) -> str:
    """The path, relative to the working directory if that is shorter: socket addresses hold about 100 characters."""
    return min(str(path), os.path.relpath(path), key=len)
