"""What a command has said: its log, of which head and tail are kept, and its last lines."""

from __future__ import annotations

from collections import deque

__all__ = ["Output"]

_LINES = 5


class Output:
    """Collects bytes as they come. Of more than *limit* bytes the middle is left out."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self._left_out = 0
        self._lines: deque[bytes] = deque([b""], maxlen=_LINES + 1)
        """The last lines; the very last one is not ended yet."""

    def add(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._lines[-1] = (self._lines[-1] + first)[-self._half :]
        self._lines.extend(others)
        room = self._half - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._in_tail += len(rest)
            self._trim()

    def say(self, text: str) -> None:
        """Add a line of ours."""
        self.add(f"{'' if self._lines[-1] == b'' else chr(10)}jobyard: {text}\n".encode())

    @property
    def last_lines(self) -> str:
        """The last five lines, the one that has not ended included."""
        lines = [*self._lines] if self._lines[-1] else [*self._lines][:-1]
        return b"\n".join(lines[-_LINES:]).decode(errors="replace").replace("\0", "\ufffd")

    @property
    def log(self) -> bytes:
        """All that is kept."""
        gap = f"\n... {self._left_out:,} bytes left out ...\n".encode() if self._left_out else b""
        return bytes(self._head) + gap + b"".join(self._tail)

    def _trim(self) -> None:
        while (over := self._in_tail - self._half) > 0:
            oldest = self._tail.popleft()
            if len(oldest) > over:
                self._tail.appendleft(oldest[over:])
            gone = min(over, len(oldest))
            self._in_tail -= gone
            self._left_out += gone
