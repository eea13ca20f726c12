"""A thread that does one thing again and again, for as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Ticker"]


class Ticker:
    """Calls a function every so many seconds while it is entered. The function does not raise."""

    def __init__(self, name: str, interval: float, tick: Callable[[], object]) -> None:
        self._interval = interval
        self._tick = tick
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"jobyard-{name}", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self._tick()
