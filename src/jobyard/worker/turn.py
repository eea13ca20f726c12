"""What one turn of the claimer has read and done, acted on once it is committed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jobyard.model.messages import Abandoned, Deadline, Ended, Enqueue, NotBegun, Outcome
from jobyard.model.rows import JobRow
from jobyard.store.release import Claim
from jobyard.store.requests import Request
from jobyard.store.settle import Settlement
from jobyard.worker.ledger import Held

__all__ = ["AT_CURSOR", "Turn", "sorted_turn"]

AT_CURSOR = -1
"""Stands for the op at the cursor, in the outcome of a run that never began."""
_TIMEOUT = "jobyard.errors:JobTimeout"


@dataclass(slots=True)
class Turn:
    """One transaction of the claimer."""

    outcomes: list[Outcome] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    enqueues: list[Enqueue] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    stale: list[tuple[int, int, str]] = field(default_factory=list)
    onward: list[Held] = field(default_factory=list)
    """Jobs whose run has ended and whose next op is to be run."""
    claimed: list[Held] = field(default_factory=list)
    seconds: float = 0.0
    """How long the claim took."""
    requests: list[Request] = field(default_factory=list)
    ended: list[JobRow] = field(default_factory=list)
    next_due: int | None = None
    ready: bool = False
    """Whether it made jobs ready; once it is committed, whether it left some."""
    wanted: int = 0
    busy: int = 0
    """How many jobs are held and do not end in it."""
    again: bool = False
    """
    The store is to be looked at again at once: jobs became ready after the claim, some of those claimed never began,
    or an answer was lost.
    """
    is_glance: bool = False
    """Whether it did no more than claim: the rest of the store is to be looked at once that has begun."""
    guessing: bool = False
    """Whether it does what is nearly always right before it is known whether it is."""
    claim: Claim | None = None
    """What it claims so."""
    claims_released: bool = False
    """Whether that is what it makes ready itself, with its release."""
    lost: bool = False
    """Others think that this worker is dead: it may claim nothing."""
    _before: list[tuple[JobRow, JobRow]] = field(default_factory=list)

    def remember(self, row: JobRow) -> None:
        """This row is about to move to its next op."""
        self._before.append((row, msgspec.structs.replace(row)))

    def undo(self) -> None:
        """The transaction was rolled back: the rows are where they were."""
        for row, before in reversed(self._before):
            row.status, row.cursor, row.task = before.status, before.cursor, before.task
            row.priority, row.rank = before.priority, before.rank


def sorted_turn(messages: Iterable[Any]) -> Turn:
    """A turn that deals with these messages."""
    turn = Turn()
    for message in messages:
        if isinstance(message, Outcome):
            turn.outcomes.append(message)
        elif isinstance(message, Enqueue):
            turn.enqueues.append(message)
        elif isinstance(message, NotBegun):
            turn.outcomes.append(Outcome(message.id, message.epoch, AT_CURSOR, Ended.DRAINED))
        elif isinstance(message, Abandoned):
            turn.others.append(message)
            turn.outcomes.append(
                Outcome(message.id, message.epoch, message.op, message.ended, error=message.error, types=[_TIMEOUT])
            )
        elif not isinstance(message, Deadline):
            turn.others.append(message)
    return turn
