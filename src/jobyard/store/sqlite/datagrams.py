"""The sockets by which processes around one file wake each other: one for each listener, in a folder beside it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Inbox", "Outbox"]


class Inbox:
    """
    The socket of one listener, which only its thread uses.

    Raises:
        OSError: this machine, or the folder, has no such sockets.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        self._path = folder / f"{os.getpid()}-{os.urandom(4).hex()}"
        self._patience = patience
        self._socket = _opened()
        try:
            folder.mkdir(exist_ok=True)
            self._socket.bind(_short(self._path))
        except OSError:
            self._socket.close()
            raise
        self._socket.settimeout(patience)

    def received(self) -> bool:
        """Whether somebody sent something before the patience was over; all that waits is taken."""
        try:
            self._socket.recv(16)
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(16):
                    pass
        except OSError:  # a timeout is one too
            return False
        finally:
            self._socket.settimeout(self._patience)
        return True

    def withdraw(self) -> None:
        """Have nobody find it any more."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def close(self) -> None:
        self.withdraw()
        self._socket.close()


class Outbox:
    """The way to the listeners of other processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = _opened()
        self._socket.setblocking(False)

    def send(self, names: Iterable[str]) -> None:
        for name in names:
            if not name.startswith(f"{os.getpid()}-"):  # our own listeners are called without
                self._poke(self._folder / name)

    def close(self) -> None:
        self._socket.close()

    def _poke(self, target: Path) -> None:
        try:
            self._socket.sendto(b"!", _short(target))
        except BlockingIOError:
            pass  # its buffer is full of wake-ups
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                target.unlink()  # its process was killed
        except OSError:
            pass


class _Socket(socket.socket):
    """One that closes itself where its owner did not: the garbage collector may find it before that."""

    def __del__(self) -> None:
        self.close()


def _opened() -> socket.socket:
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no sockets in folders")
    return _Socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def _short(path: Path) -> str:
    """The path, relative to the working directory if that is shorter: socket addresses hold about 100 characters."""
    return min(str(path), os.path.relpath(path), key=len)
