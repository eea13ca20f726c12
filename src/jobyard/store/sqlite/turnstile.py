"""
A fair lock between the processes that write to one file.

Two file locks in a row: whoever holds the first is the next to get the second, so a process that releases and comes
back at once queues behind those that wait.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: SQLite's own lock serves alone
    fcntl = None  # type: ignore[assignment]

__all__ = ["NotPassed", "Turnstile"]

_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.002


class NotPassed(Exception):
    """The lock was not free in time."""


class Turnstile:
    """The lock file beside the database; it holds no data and may be deleted while nobody writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: tuple[int, int] | None = None

    @contextmanager
    def passed(self, deadline: float) -> Iterator[None]:
        """
        Hold the lock during the block.

        Raises:
            NotPassed: it was not free by *deadline* (monotonic seconds).
        """
        if fcntl is None:
            yield
            return
        entry, gate = self._opened()
        _take(entry, deadline)
        try:
            _take(gate, deadline)
        finally:
            fcntl.flock(entry, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(gate, fcntl.LOCK_UN)

    def close(self) -> None:
        for file in self._files or ():
            os.close(file)
        self._files = None

    def _opened(self) -> tuple[int, int]:
        if self._files is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            try:
                self._files = (os.open(f"{self.path}1", flags, 0o666), os.open(f"{self.path}2", flags, 0o666))
            except OSError:  # read-only or missing folder: let SQLite say it in its own words
                self._files = (os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR))
        return self._files


def _take(file: int, deadline: float) -> None:
    pause = _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotPassed from None
        else:
            return
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
