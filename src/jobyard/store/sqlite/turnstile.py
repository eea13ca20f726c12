"""
A fair lock between the processes that write to one file.

Two file locks in a row: whoever holds the first is the next to get the second, so a process that releases and comes
back at once queues behind those that wait.
"""

from __future__ import annotations

import os
import time
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
        self._files: tuple[int, ...] | None = None

    def enter(self, deadline: float) -> None:
        """
        Wait for the lock and hold it until `leave`.

        Raises:
            NotPassed: it was not free by *deadline* (monotonic seconds).
        """
        files = self._opened() if self._files is None else self._files
        if not files:
            return
        entry, gate = files
        _take(entry, deadline)
        try:
            _take(gate, deadline)
        finally:
            fcntl.flock(entry, fcntl.LOCK_UN)

    def leave(self) -> None:
        if self._files:
            fcntl.flock(self._files[1], fcntl.LOCK_UN)

    def close(self) -> None:
        for file in self._files or ():
            os.close(file)
        self._files = None

    def _opened(self) -> tuple[int, ...]:
        """The two files; none where they cannot be had, and SQLite's own lock serves alone."""
        self._files = ()
        if fcntl is not None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            try:
                self._files = (os.open(f"{self.path}1", flags, 0o666), os.open(f"{self.path}2", flags, 0o666))
            except OSError:
                pass  # a read-only or missing folder: let SQLite say it in its own words
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
