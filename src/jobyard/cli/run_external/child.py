"""The process of one run: its start, its output, and its end, forced if need be."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Child"]

_LEASH = Path(__file__).with_name("leash.py")
_CHUNK = 65_536
_LOOK = 0.25
"""Seconds between two looks whether it has ended, where a process of its own holds its output open."""
_KILL_AFTER = 5.0
"""Seconds between SIGINT and SIGKILL."""


class Child:
    """
    A command with *given* as its standard input, and one pipe for all that it says.

    It has a process group of its own, so that a Ctrl-C in our terminal does not reach it, and our signals reach all of
    its processes; so does our end, see `leash`.
    """

    def __init__(self, command: Sequence[str], given: bytes) -> None:
        theirs, ours = os.pipe()
        self._hold = open(ours, "wb", buffering=0)  # noqa: SIM115 open for as long as it runs
        with open(theirs, "rb", buffering=0) as leash, tempfile.TemporaryFile() as file:
            file.write(given)
            file.seek(0)
            self._process = subprocess.Popen(  # noqa: S603 it is the user's command
                [sys.executable, "-I", "-S", str(_LEASH), str(leash.fileno()), *command],
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=[leash.fileno()],
            )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._open = True
        self._kill_at = float("inf")

    def read(self, timeout: float) -> bytes:
        """What it says within *timeout* seconds; nothing if it says nothing, or is `ended`."""
        timeout = max(0.0, min(timeout, _LOOK, self._kill_at - time.monotonic()))
        if self._open and self._selector.select(timeout):
            return self._take()
        if not self._open:
            self._wait(timeout)
        if time.monotonic() >= self._kill_at:
            self._signal(signal.SIGKILL)
        return b""

    @property
    def ended(self) -> bool:
        """Whether it has ended; what it still had to say is in the pipe."""
        return self._process.poll() is not None

    @property
    def code(self) -> int | None:
        """Its exit code, as shells have it; negative if the leash was killed."""
        return self._process.returncode

    def stop(self) -> None:
        """Have it end: SIGINT, and SIGKILL if that does not help. Go on reading."""
        self._kill_at = time.monotonic() + _KILL_AFTER
        self._signal(signal.SIGINT)

    def close(self) -> None:
        """Leave nothing behind of a command that did not end by itself."""
        if not self.ended or self._process.returncode < 0 or self._kill_at < float("inf"):
            self._signal(signal.SIGKILL)
        self._process.wait()
        self._hold.close()
        self._selector.close()
        self._pipe.close()

    def _take(self) -> bytes:
        data = os.read(self._pipe.fileno(), _CHUNK)
        if not data:
            self._open = False
            self._selector.unregister(self._pipe)
        return data

    def _wait(self, timeout: float) -> None:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass  # it has closed its output, and runs

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a group whose processes have ended
            pass
