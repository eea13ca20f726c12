"""One child process, as its parent sees it: its pid, its pipes, the runs it holds, and how it died."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from time import monotonic
from typing import IO, Any

from jobyard.model.messages import Abandoned, NotBegun, Outcome, Run, Upstream, Upward
from jobyard.worker.attempt import Key
from jobyard.worker.capture import LogBook
from jobyard.worker.wire import CELLS, CHUNK, Frames, Setup, frame

__all__ = ["ChildProcess", "Held"]

_HARDLY = 5.0
"""Seconds a child has to end after it closed its socket."""


@dataclass(eq=False)
class Held:
    """A run that a child holds."""

    run: Run
    op: int
    """The op it is at."""
    given: float
    """Monotonic seconds."""
    book: LogBook | None = None
    """What its process has written to its streams."""
    why: str | None = None
    """Why it is to stop."""
    stack: str | None = None
    """Where it was when its time was up."""
    flushing: bool = False
    """What is in the book will be written soon."""

    @property
    def key(self) -> Key:
        return self.run.row.id, self.run.row.epoch


class ChildProcess:
    """
    Starts a child. To be made in a thread that lives as long as the claimer: the system ties the child to it.

    It does no waiting and no locking; its owner does.
    """

    def __init__(self, setup: Setup) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as cells:
            cells.truncate(8 * CELLS)
            self._memory = mmap.mmap(cells.fileno(), 8 * CELLS)
            self._cells = memoryview(self._memory).cast("Q")
            self._popen = _start(theirs.fileno(), cells.fileno())
        self._socket.setblocking(False)
        self._frames = Frames(Upstream)
        self._unsent = bytearray()
        self._serial = 0
        self._written = {"stdout": b"", "stderr": b""}
        self.pidfd = os.pidfd_open(self.pid) if sys.platform == "linux" else None
        """Readable once it is dead, whoever else has its socket open."""
        self.held: dict[Key, Held] = {}
        self.ready = False
        self.leaving = False
        """It was told to stop, or is worn: it is given nothing more."""
        self.dismissed = False
        """It was told to stop."""
        self.ended = False
        """Its end of the socket is closed."""
        self.tell(setup)

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def socket(self) -> socket.socket:
        return self._socket

    @property
    def pipes(self) -> dict[str, IO[bytes]]:
        """What it writes, by the name of the stream."""
        assert self._popen.stdout is not None  # both are pipes, see `_start`
        assert self._popen.stderr is not None
        return {"stdout": self._popen.stdout, "stderr": self._popen.stderr}

    @property
    def has_unsent(self) -> bool:
        """There is more to write once the socket takes it."""
        return bool(self._unsent)

    def give(self, runs: list[Run]) -> None:
        """Hand it runs, in this order."""
        for run in runs:
            self._serial += 1
            run.serial = self._serial
            self.held[run.row.id, run.row.epoch] = Held(run, run.row.cursor, monotonic())
        self.tell(runs)

    def tell(self, messages: Any) -> None:
        """Send what the socket takes, and keep the rest: a child that hangs must not stop its parent."""
        self._unsent += frame(messages)
        self.write()

    def write(self) -> None:
        """Send more of what was kept."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # it is dead, which is noticed by its pid

    def read(self) -> list[Upward]:
        """What it has said meanwhile."""
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        self.ended = not data
        return [message for messages in self._frames.feed(data) for message in messages]

    def read_pipe(self, name: str, size: int = CHUNK) -> bytes:
        """What it has written to this stream; empty when there is nothing now, or its end has come."""
        try:
            return os.read(self.pipes[name].fileno(), size)
        except OSError:
            return b""

    def lines(self, stream: str, data: bytes) -> list[str]:
        """The lines of a stream that are complete with this data; no data: also the last one, without its end."""
        *lines, rest = (self._written[stream] + data).split(b"\n")
        if rest and (not data or len(rest) > CHUNK):
            lines.append(rest)
            rest = b""
        self._written[stream] = rest
        return [line.decode(errors="backslashreplace") for line in lines]

    def interrupt(self) -> None:
        """Send SIGINT."""
        self._popen.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._popen.kill()

    def death(self) -> str:
        """Bury it, and say how it died."""
        try:
            code = self._popen.wait(_HARDLY)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        if code >= 0:
            return f"exited with code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"

    def split_held(self) -> tuple[list[Held], list[Held]]:
        """Of the runs it held when it died: those that had begun, and those that had not."""
        last = max(self._cells)
        begun = [held for held in self.held.values() if held.run.serial <= last]
        return begun, [held for held in self.held.values() if held.run.serial > last]

    def close(self) -> None:
        """Give back what the system lent."""
        self._socket.close()
        if self.pidfd is not None:
            os.close(self.pidfd)
        for pipe in self.pipes.values():
            pipe.close()
        self._cells.release()
        self._memory.close()

    def note(self, message: Outcome | Abandoned | NotBegun) -> Held | None:
        """Take notice of what became of a run, and return it."""
        key = message.id, message.epoch
        held = self.held.get(key)
        if held is not None and isinstance(message, Outcome) and message.more:
            held.op = message.op + 1
        else:
            self.held.pop(key, None)
        return held


def _start(*descriptors: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "jobyard.worker.child", *map(str, descriptors), str(os.getpid())]
    path = os.pathsep.join(filter(None, sys.path))
    popen = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # the signals of a terminal are the claimer's
    )
    for pipe in (popen.stdout, popen.stderr):
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
    return popen
