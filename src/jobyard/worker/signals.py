"""Stop signals: the first asks, the second insists, the third ends the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals(told: Callable[[int], None]) -> Iterator[None]:
    """
    Call *told* with 1, 2, 3, ... for each SIGTERM or SIGINT during the block; the handlers before are restored.

    In another thread than the main one nothing is handled: Python allows it there alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        told(count)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
