"""Periodic work in a thread of its own: interval, stop and error handling, written once."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from jobyard.errors import StoreError

__all__ = ["Loop"]

_log = logging.getLogger("jobyard.worker")
_JITTER = 0.1


class Loop:
    """Calls *tick* every *interval* seconds (within 10 %), and at once after `wake`, until it is stopped."""

    def __init__(self, name: str, interval: float, tick: Callable[[], None]) -> None:
        self.interval = interval
        self._tick = tick
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"jobyard-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Tick now."""
        self._woken.set()

    def stop(self) -> None:
        """Wait for the tick under way, if any, and end."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._woken.wait(self.interval * random.uniform(1 - _JITTER, 1 + _JITTER))
            self._woken.clear()
            if self._stopping:
                return
            try:
                self._tick()
            except StoreError as error:
                _log.warning("%s: %s; again in %g s", self._thread.name, error, self.interval)
            except Exception:
                _log.exception("%s failed; again in %g s", self._thread.name, self.interval)
