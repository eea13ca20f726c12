"""Writing what the runs of a worker have come to, and what that means for the rest of a job of several ops."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from jobyard.errors import MissingDependencies
from jobyard.model.faults import fault
from jobyard.model.messages import Ended, Outcome
from jobyard.model.states import FINAL, STATUSES, Status
from jobyard.model.traceback import RemoteError
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.queues import Queue
from jobyard.store.release import Claim
from jobyard.store.settle import Settled, Settlement, begin_settling
from jobyard.worker.ledger import Held, Ledger
from jobyard.worker.turn import AT_CURSOR, Turn

__all__ = ["Settling", "incomplete"]

_log = logging.getLogger("jobyard.worker")


class Settling:
    """
    Settles outcomes within the transaction of a turn.

    Args:
        meanwhile: called while the database is at work on them.
    """

    def __init__(self, store: Store, ledger: Ledger, name: str, meanwhile: Callable[[], object]) -> None:
        self.stopping: str | None = None
        """How jobs end that have ops left (`Ended`), once all runs were told to stop."""
        self._store = store
        self._ledger = ledger
        self._name = name
        self._meanwhile = meanwhile

    def settle(self, tx: Transaction, turn: Turn, queues: Mapping[str, Queue], now: int) -> None:
        """Write the outcomes: an attempt's one after another, different attempts' together."""
        claim = turn.claim if turn.claims_released else None
        left: list[Outcome] = turn.outcomes
        while left:
            seen: set[int] = set()
            batch: list[Outcome] = []
            later: list[Outcome] = []
            for outcome in left:
                (later if outcome.id in seen else batch).append(outcome)
                seen.add(outcome.id)
            self.write(tx, self._items(batch, turn), turn, queues, now, claim)
            left, claim = later, None  # with each batch as many again would be claimed

    def write(
        self,
        tx: Transaction,
        items: Sequence[Settled],
        turn: Turn,
        queues: Mapping[str, Queue],
        now: int,
        claim: Claim | None = None,
    ) -> None:
        """
        Write what was decided; decide again where a cancel came in between, or where ops are left.

        The settlements of the turn are still to be completed.

        Args:
            claim: for dependants that become ready, see `Releaser.release`.
        """
        while items:
            for item in items:
                if item.row.op_count > 1:
                    turn.remember(item.row)
            done = begin_settling(
                tx,
                self._store.jobs,
                items,
                queues,
                self._name,
                now,
                guessing=turn.guessing,
                claim=claim,
                meanwhile=self._meanwhile,
            )
            claim = None
            turn.settlements.append(done)
            turn.ready = turn.ready or done.ready or bool(done.committed)
            items = [self._canceled(item) for item in done.canceling] + self._go_on(tx, done, turn)

    def _items(self, outcomes: Sequence[Outcome], turn: Turn) -> list[Settled]:
        items = []
        for outcome in outcomes:
            held = self._ledger.get(outcome.id, outcome.epoch)
            if held is not None:
                if outcome.op == AT_CURSOR:
                    outcome.op = held.row.cursor
                items.append(self._ledger.settled(held, outcome))
            elif not outcome.finished_by_user:
                turn.stale.append((outcome.id, outcome.epoch, "result"))
        return items

    def _canceled(self, item: Settled) -> Settled:
        """The job is being canceled, which this worker had not heard of."""
        held = self._held(item)
        held.canceling = True
        return self._ledger.settled(held, item.outcome)

    def _go_on(self, tx: Transaction, done: Settlement, turn: Turn) -> list[Settled]:
        """For jobs whose run has ended with ops left: run those, or write how the job ends without them."""
        left = [item for item in done.done if item.decision.advance]
        for item in done.committed:
            _tell_of_the_unheard(item)
            if STATUSES[item.row.status] not in FINAL:
                left.append(item)
        if not left:
            return []
        ids = [item.row.id for item in left]
        rows, ops = self._store.jobs.get_many(tx, ids), self._store.jobs.ops(tx, ids)
        halted = []
        for item in left:
            held = self._held(item)
            held.ops = ops[item.row.id]
            held.canceling = held.canceling or STATUSES[rows[item.row.id].status] is Status.CANCELING
            how = Ended.CANCELED if held.canceling else self.stopping or self._ledger.unknown(held)
            if how is None:
                turn.onward.append(held)
            else:
                began = item.outcome.began
                halted.append(self._ledger.settled(held, Outcome(*item.key, held.row.cursor, how, began=began)))
        return halted

    def _held(self, item: Settled) -> Held:
        held = self._ledger.get(*item.key)
        assert held is not None  # it was made of one in this turn
        return held


def _tell_of_the_unheard(item: Settled) -> None:
    """What a function raised after `ctx.finish` changes nothing."""
    if item.outcome.error is not None:
        error = RemoteError.from_json(item.outcome.error).summary
        _log.warning("job %d (%s) raised after ctx.finish(): %s", item.row.id, item.row.task, error)


def incomplete(held: Held) -> Outcome:
    """How a job ends that takes results of definitions which have no successful build."""
    error = MissingDependencies(f"there is no successful build of {', '.join(held.lacking)}")
    types = [f"{kind.__module__}:{kind.__qualname__}" for kind in MissingDependencies.__mro__]
    return Outcome(*held.key, held.row.cursor, Ended.RAISED, error=fault(error), types=types)
