"""Where slots, listeners and timers leave word for the claimer."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from typing import Any

from jobyard.model.messages import Enqueue, Outcome

__all__ = ["MANY", "Inbox"]

MANY = 500
"""Messages that are enough for a turn of the reader."""


class Inbox:
    """A queue of messages with one reader, who can also be woken without one."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        # Not an Event: a signal handler rings it too, and may have interrupted the reader within its lock.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._awaited = 1
        """How many messages wake the reader."""
        self._looked_at = False

    @property
    def is_full(self) -> bool:
        """Whether there is enough for the reader to go on at once."""
        return len(self._messages) >= MANY

    def send(self, messages: list[Any]) -> None:
        """Leave messages; from any thread, and cheap while the reader is awake."""
        self._messages.extend(messages)
        if self._asleep and (len(self._messages) >= self._awaited or any(map(_is_awaited, messages))):
            self._bell.put(None)

    def wake(self) -> None:
        """Have the reader look at the store again."""
        self._looked_at = False
        if self._asleep:
            self._bell.put(None)

    def take(self, most: int) -> list[Any]:
        """The messages that are there, oldest first, but no more than *most*."""
        messages = self._messages
        return [messages.popleft() for _ in range(min(most, len(messages)))]

    def put_back(self, messages: list[Any]) -> None:
        """Return what could not be dealt with, to the front."""
        self._messages.extendleft(reversed(messages))

    def seen(self) -> bool:
        """Whether the reader has looked at the store since the last `wake`; from now on it has."""
        before, self._looked_at = self._looked_at, True
        return before

    def wait(self, timeout: float) -> bool:
        """Sleep until there is a message or somebody calls `wake`; False: *timeout* seconds have passed before."""
        return self._sleep(timeout, 1)

    def gather(self, most: int, timeout: float) -> None:
        """If there are messages, but nobody waits for what comes of them, sleep until there are *most*."""
        if 0 < len(self._messages) < most and not any(map(_is_awaited, list(self._messages))):
            self._sleep(timeout, most)

    def _sleep(self, timeout: float, awaited: int) -> bool:
        while not self._bell.empty():
            self._bell.get()
        self._awaited = awaited
        self._asleep = True
        try:
            if len(self._messages) < awaited and self._looked_at:
                self._bell.get(timeout=max(timeout, 0.0))
        except Empty:
            return False
        finally:
            self._asleep = False
        return True


def _is_awaited(message: Any) -> bool:
    """Whether a slot waits for what comes of this."""
    return message.awaited if isinstance(message, Outcome) else isinstance(message, Enqueue)
