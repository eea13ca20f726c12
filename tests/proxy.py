"""A TCP proxy that does to a connection what networks do."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time

__all__ = ["Proxy"]


class Proxy:
    """
    Forwards connections to a local port, from the port `at`; 0 for any.

    `delay` holds each message up, one way, in seconds; `swallow` takes packets and passes none on, as `freeze` does for
    the connections that are open when it is called; `cut_at` breaks the next connection whose server sends these bytes,
    which do not arrive; `close_at` breaks all of them where this is found, and lets nobody in again; `drop` loses what
    the server sends with these bytes in it, and `dropped` counts that; `swap` has bytes of the server's and what
    arrives for them.
    """

    def __init__(self, port: int, at: int = 0) -> None:
        self.delay = 0.0
        self.swallow = False
        self.cut_at: bytes | None = None
        self.close_at: re.Pattern[bytes] | None = None
        self.drop: bytes | None = None
        self.dropped = 0
        self.swap = b"", b""
        self._frozen: set[socket.socket] = set()
        self._target = port
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", at))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._sockets]:
            _shut(each)

    def break_all(self) -> None:
        """Break the connections that are open."""
        for each in list(self._sockets):
            _shut(each)

    def freeze(self) -> None:
        self._frozen.update(self._sockets)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._sockets.append(each)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, target, server), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                if self.swallow or source in self._frozen:
                    continue
                if source is server and self._is_lost(data):
                    continue
                if source is server and self._is_cut(data):
                    break
                target.sendall(data.replace(*self.swap) if source is server else data)
        _shut(source)
        _shut(target)

    def _is_lost(self, data: bytes) -> bool:
        lost = self.drop is not None and self.drop in data
        self.dropped += lost
        return lost

    def _is_cut(self, data: bytes) -> bool:
        if self.close_at is not None and self.close_at.search(data):
            self.close()
            return True
        cut = self.cut_at is not None and self.cut_at in data
        if cut:
            self.cut_at = None
        return cut


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
