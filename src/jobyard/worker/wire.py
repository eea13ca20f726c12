"""
How the claimer's process and a child talk: frames of msgpack on a socket pair.

A frame is four bytes of length and a list of messages. The first frame to a child is its `Setup`.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from jobyard.model.messages import Downstream, Upstream
from jobyard.worker.shop import HostOptions

__all__ = ["CELLS", "CHUNK", "Frames", "Setup", "Wire", "frame", "importing"]

CELLS = 64
"""Cells of memory shared with a child: each has the serial of the last run that began in the slots it stands for."""
CHUNK = 1 << 18
"""Bytes of one read."""

importing = False
"""Whether this process is a child that imports its app: the code of modules must not start another worker then."""

_encode = msgspec.msgpack.Encoder().encode
_HEAD = 4


class Setup(msgspec.Struct):
    """What a child needs to know before it can serve."""

    app: str
    """``module:attribute`` of the object that has `tasks.known`, `codec` and `link()`: a yard."""
    path: list[str]
    """`sys.path`."""
    python_path: str | None
    """The environment's ``PYTHONPATH`` as it was."""
    argv: list[str]
    command_line: dict[str, Any]
    """The settings that the command line says; the app's yard takes them when it is made."""
    slots: int
    isolated: bool
    """It runs one job at a time, in its main thread."""
    options: HostOptions


def frame(messages: Any) -> bytes:
    """Messages as they travel."""
    body = _encode(messages)
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    """Cuts a stream of bytes into the messages of its frames."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(kind)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The content of every frame that is complete now."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) >= start + _HEAD:
            end = start + _HEAD + int.from_bytes(buffer[start : start + _HEAD], "big")
            if len(buffer) < end:
                break
            content = bytes(buffer[start + _HEAD : end])
            start = end
            yield self._decoder.decode(content)
        del buffer[:start]


class Wire:
    """The child's end."""

    def __init__(self, end: socket.socket, *, shield: bool) -> None:
        """
        Args:
            shield: messages are sent from the main thread, too, where an interrupt would leave half a frame behind.
        """
        self._socket = end
        self._lock = threading.Lock()
        self._shield = shield

    def send(self, messages: Upstream) -> None:
        """Send, and wait if the claimer is behind."""
        data = frame(messages)
        with _unsignaled(self._shield), self._lock:
            self._socket.sendall(data)

    def receive(self) -> Iterator[Downstream]:
        """What the claimer says, until it is gone."""
        frames = Frames(Downstream)
        while data := self._socket.recv(CHUNK):
            yield from frames.feed(data)

    @staticmethod
    def setup(end: socket.socket) -> Setup:
        """The first frame; read to its last byte and no further."""
        size = int.from_bytes(_exactly(end, _HEAD), "big")
        return msgspec.msgpack.decode(_exactly(end, size), type=Setup)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = end.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@contextmanager
def _unsignaled(shield: bool) -> Iterator[None]:
    if not shield or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
