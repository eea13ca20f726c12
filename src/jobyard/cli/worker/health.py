"""Telling others that the worker is well: a file that is touched, and systemd's socket."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobyard.cli.worker.ticker import Ticker
from jobyard.errors import ConfigError
from jobyard.model.events import WorkerStarted

if TYPE_CHECKING:
    from jobyard.worker import Worker
    from jobyard.yard import Yard

__all__ = ["HealthFile", "ServiceManager"]

_LOOK = 0.2
"""Seconds between two looks whether the worker was told to stop."""
_PATIENCE = 0.2
"""Seconds for which a listener that does not read may hold up a heartbeat."""


class HealthFile:
    """
    A file that is as young as the last heartbeat, and is gone once the worker has ended.

    A probe compares its age with `lost_after`; it needs neither a port nor the store.
    """

    def __init__(self, path: str, worker: Worker) -> None:
        self._path = Path(path)
        self._worker = worker
        self._ended = False

    def __enter__(self) -> HealthFile:
        try:
            self._path.touch()
        except OSError as error:
            msg = f"--health-file: {error}"
            raise ConfigError(msg) from error
        self._worker.on_beat(self._touch)
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended = True
        self._path.unlink(missing_ok=True)

    def _touch(self) -> None:
        if not self._ended:
            self._path.touch()


class ServiceManager:
    """
    Systemd, or whoever else listens on ``$NOTIFY_SOCKET``: READY=1, WATCHDOG=1 with each heartbeat, STOPPING=1.

    Nobody may be listening any more, or read what is sent; that is no reason to stop working.
    """

    def __init__(self, address: str, yard: Yard, worker: Worker) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(_PATIENCE)
        self._worker = worker
        self._stopping = False
        self._unsubscribe = yard.emitter.on(WorkerStarted, lambda _: self._tell("READY=1"))
        self._ticker = Ticker("notify", _LOOK, self._look)

    def __enter__(self) -> ServiceManager:
        self._worker.on_beat(lambda: self._tell("WATCHDOG=1"))
        self._ticker.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ticker.__exit__()
        self._unsubscribe()
        self._say_stopping()
        self._socket.close()

    def _look(self) -> None:
        if self._worker.stopping:
            self._say_stopping()

    def _say_stopping(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError:
            pass  # the listener is gone or does not read, or this is the last beat of a worker that has ended
