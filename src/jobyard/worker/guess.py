"""
What a turn takes for granted before the store has said so.

That the jobs which end are still held, and that the queue that had jobs has the next ones: what is sent along with the
question costs no wait of its own. Where the answer is another than the guess, the turn is rolled back and done again
without one.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["Guess"]

_SOBER = 100
"""
Turns without a guess after a wrong one: where there are jobs in many queues, or many are taken away, none is right for
long.
"""


class Guess:
    """By what was right the last time."""

    def __init__(self) -> None:
        self.releases = False
        """Whether the last ends made jobs ready, and the same turn took all that were."""
        self._queue: str | None = None
        self._sober = 0

    @property
    def may_be_right(self) -> bool:
        return self._sober == 0

    @property
    def queue(self) -> str | None:
        """The one queue that had jobs."""
        return self._queue if self.may_be_right else None

    def learn(self, queues: Collection[str]) -> None:
        """These queues had jobs, and were open."""
        self._sober = max(0, self._sober - 1)
        if queues:
            self._queue = next(iter(queues)) if len(queues) == 1 else None

    def was_wrong(self) -> None:
        self._sober = _SOBER
