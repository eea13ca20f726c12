"""
The claimer: the one place of a worker that opens the store.

Each turn is one transaction. It writes what the slots have reported, and claims as many jobs as they can take next; then
it hands those out. A turn that the database refuses is repeated with the same reports, so nothing is lost while it is
away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from jobyard.errors import JobyardError
from jobyard.model.events import Emitter, JobsClaimed, SlotAbandoned, StaleWrite
from jobyard.model.messages import (
    Abandoned,
    Beat,
    Cancel,
    Deadline,
    Ended,
    Enqueue,
    Lines,
    NotBegun,
    Outcome,
    Reply,
    Run,
    Stack,
    StackTaken,
)
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.jobs import json_text
from jobyard.store.queues import Queue
from jobyard.store.requests import Request
from jobyard.store.settle import Settled, Settlement, settle
from jobyard.worker.inbox import Inbox
from jobyard.worker.ledger import Held, Ledger
from jobyard.worker.pace import Pace
from jobyard.worker.tally import Tally

__all__ = ["Claimer", "Host", "Turn"]

_log = logging.getLogger("jobyard.worker")
_BEHIND = 0.1
"""Seconds after which a job that waits for a slot here goes back, so that another worker may take it."""
_decode_jobs = msgspec.msgpack.Decoder(list[NewJob]).decode
Key = tuple[int, int]


class Host(Protocol):
    """Where runs run: in this process, or in children."""

    slots: int

    def run(self, runs: list[Run]) -> None: ...
    def tell(self, messages: list[Any]) -> None: ...
    def take_back(self, keys: Iterable[Key] | None = None) -> list[Key]: ...


@dataclass(slots=True)
class Turn:
    """What one turn has read and done, acted on once it is committed."""

    outcomes: list[Outcome] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)
    enqueues: list[Enqueue] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    stale: list[tuple[int, int, str]] = field(default_factory=list)
    claimed: list[Held] = field(default_factory=list)
    excess: list[Held] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    ended: list[JobRow] = field(default_factory=list)
    next_due: int | None = None
    ready: bool = False
    wanted: int = 0

    @property
    def full(self) -> bool:
        """It claimed all it wanted, so there may be more."""
        return 0 < self.wanted <= len(self.claimed)


class Claimer:
    """
    Claims jobs, hands them to hosts and writes what comes of them. Everything here runs in one thread.

    Args:
        queues: those it serves; None for all.
        place: the host for a run, by its isolation; `left` is told when the run has ended.
        slots: how many runs at a time, on all hosts.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        inbox: Inbox,
        emitter: Emitter,
        *,
        name: str,
        queues: tuple[str, ...] | None,
        tasks: Sequence[str],
        slots: int,
        place: Callable[[Run], Host],
        left: Callable[[Host], None],
        cancel_grace: float,
    ) -> None:
        self.id = 0
        """This worker's incarnation."""
        self.claiming = True
        self.limit: int | None = None
        """How many more jobs may be claimed in all; None for no limit."""
        self.tally = Tally(emitter)
        self._store = store
        self._ledger = ledger
        self._inbox = inbox
        self._emitter = emitter
        self._name = name
        self._queues = queues
        self._tasks = json_text(list(tasks))
        self._slots = slots
        self._place = place
        self._left = left
        self._grace = cancel_grace
        self._pace = Pace()
        self._recent: set[str] = set()
        self._asked: set[int] = set()
        self._known_queues: dict[str, Queue] = {}

    def turn(self, messages: list[Any]) -> Turn:
        """Write what *messages* report, claim, and hand out. If the store refuses, nothing was done."""
        turn = _sorted(messages)
        turn.wanted = self._wanted(turn)
        # A claim alone need not reach the disk: after a power cut nobody remembers it, and the job is queued again.
        with self._store.transaction(durable=bool(messages)) as tx:
            now = self._store.now()
            self._known_queues = self._store.queues.all(tx)
            self._record(tx, turn, now)
            self._settle(tx, turn, now)
            self._read_requests(tx, turn)
            if self.claiming:
                self._claim(tx, turn, now)
            turn.next_due = self._store.jobs.next_due(tx)
        self._after(turn)
        return turn

    def take_back(self, hosts: Iterable[Host], *, older_than: float | None = None) -> None:
        """Have runs that have not begun go back; with *older_than* only those claimed before (monotonic seconds)."""
        late = [held for held in self._ledger if older_than is None or held.claimed < older_than]
        by_host: dict[int, tuple[Host, list[Key]]] = {}
        for held in late:
            by_host.setdefault(id(held.host), (held.host, []))[1].append((held.row.id, held.row.epoch))
        for host, keys in by_host.values():
            taken = host.take_back(keys)
            self._inbox.send([NotBegun(*key) for key in taken])
            if taken and older_than is not None:
                self._pace.hold(time.monotonic())

    def drop_all(self, why: str) -> None:
        """Stop every run, whose jobs are no longer this worker's."""
        for held in self._ledger.clear():
            held.host.tell([Cancel(held.row.id, held.row.epoch, why, 0.0)])

    def cancel_all(self, why: str, grace: float) -> None:
        """Tell every run to stop; what comes of them is written as ever."""
        for held in self._ledger:
            held.host.tell([Cancel(held.row.id, held.row.epoch, why, grace)])

    def behind(self) -> float | None:
        """The instant (monotonic) before which a run must have been claimed to be waiting for too long."""
        return time.monotonic() - _BEHIND if len(self._ledger) > 0 else None

    def _wanted(self, turn: Turn) -> int:
        """How many jobs to claim: free slots, and some ahead if the jobs are short."""
        if not self.claiming:
            return 0
        ending = {(o.id, o.epoch) for o in turn.outcomes if not o.more}
        held = len(self._ledger) - sum(1 for key in ending if self._ledger.get(*key))
        for outcome in turn.outcomes:
            found = self._ledger.get(outcome.id, outcome.epoch)
            if found is not None:
                self._pace.ended(found.row.task, outcome.seconds)
        ahead = self._pace.ahead(self._recent, self._slots, time.monotonic())
        wanted = max(0, self._slots + ahead - held)
        return wanted if self.limit is None else min(wanted, self.limit)

    def _record(self, tx: Transaction, turn: Turn, now: int) -> None:
        """Log lines, progress and heartbeats of runs that go on, and the last ones of those that ended."""
        for message in turn.others:
            written = True
            if isinstance(message, Lines):
                written = self._store.records.write(tx, message.id, message.epoch, message.lines, message.progress, now)
            elif isinstance(message, Beat):
                written = self._store.jobs.beat(tx, message.id, message.epoch, message.logtail, now)
            elif isinstance(message, StackTaken):
                self._keep_stack(tx, message, now)
            if not written:
                turn.stale.append((message.id, message.epoch, "log line"))
        for outcome in turn.outcomes:
            if outcome.lines or outcome.progress:
                self._store.records.write(tx, outcome.id, outcome.epoch, outcome.lines, outcome.progress, now)
            if outcome.logtail is not None:
                self._store.jobs.beat(tx, outcome.id, outcome.epoch, outcome.logtail, now)

    def _keep_stack(self, tx: Transaction, message: StackTaken, now: int) -> None:
        if message.request:
            self._store.requests.answer(tx, message.request, message.stack, now)
        elif (held := self._ledger.get(message.id, message.epoch)) is not None:
            self._store.requests.keep_stack(tx, held.row, message.stack, now)

    def _settle(self, tx: Transaction, turn: Turn, now: int) -> None:
        """Write the outcomes: an attempt's one after another, different attempts' together."""
        left: list[Outcome] = turn.outcomes
        while left:
            seen: set[int] = set()
            batch, later = [], []
            for outcome in left:
                (later if outcome.id in seen else batch).append(outcome)
                seen.add(outcome.id)
            self._settle_batch(tx, batch, turn, now)
            left = later

    def _settle_batch(self, tx: Transaction, outcomes: Iterable[Outcome], turn: Turn, now: int) -> None:
        items: list[Settled] = []
        for outcome in outcomes:
            held = self._ledger.get(outcome.id, outcome.epoch)
            if held is None:
                if not outcome.finished_by_user:
                    turn.stale.append((outcome.id, outcome.epoch, "result"))
            else:
                items.append(self._ledger.settled(held, outcome))
        while items:
            done = settle(tx, self._store.jobs, items, self._known_queues, self._name, now)
            turn.settlements.append(done)
            turn.ready = turn.ready or done.ready
            self._note_reclaims(tx, done, now)
            items = [self._again(item) for item in done.canceling]

    def _again(self, item: Settled) -> Settled:
        """The job is being canceled, which this worker had not heard of."""
        held = self._ledger.get(item.row.id, item.row.epoch)
        assert held is not None
        held.canceling = True
        return self._ledger.settled(held, item.outcome, canceling=True)

    def _note_reclaims(self, tx: Transaction, done: Settlement, now: int) -> None:
        for item in done.done:
            if item.outcome.ended == Ended.CRASHED:
                row = item.row
                data = {
                    "worker": self._name,
                    "why": item.outcome.error and msgspec.json.decode(item.outcome.error).get("message"),
                    "crashes": row.crashes + item.decision.crashed,
                    "status": item.decision.status.value,
                }
                self._store.events.add(tx, "reclaim", now, job=row.id, definition=row.definition, data=data)

    def _read_requests(self, tx: Transaction, turn: Turn) -> None:
        for request in self._store.requests.open_for(tx, self.id):
            if request.kind != "stack" or self._ledger.get(request.job, request.epoch) is None:
                self._store.requests.answer(tx, request.id, None, self._store.now())
            if request.id not in self._asked:
                turn.requests.append(request)

    def _claim(self, tx: Transaction, turn: Turn, now: int) -> None:
        jobs = self._store.jobs
        jobs.promote(tx, now)
        effect = self._store.control.end_expired(tx, now)
        turn.ready = turn.ready or effect.ready
        turn.ended = effect.ended
        if not turn.wanted:
            return
        queues = self._queues if self._queues is not None else jobs.ready_queues(tx)
        open_queues = [name for name in queues if name not in self._known_queues or not self._known_queues[name].paused]
        if not open_queues:
            return
        began = time.perf_counter()
        rows = jobs.claim(tx, open_queues, tasks=self._tasks, worker=self.id, limit=turn.wanted, now=now)
        if rows:
            turn.claimed = self._ledger.claimed(tx, rows, self._known_queues, time.monotonic())
            self._return_suspects(tx, turn, now)
            if self._emitter.wants(JobsClaimed):
                ids = tuple(row.id for row in rows)
                self._emitter.emit(JobsClaimed(self._name, ids, time.perf_counter() - began))

    def _return_suspects(self, tx: Transaction, turn: Turn, now: int) -> None:
        """A job that may have killed its worker is not claimed ahead: it has a free slot at once, or goes back."""
        free = max(0, self._slots - len(self._ledger))
        suspects = [held for held in turn.claimed if held.row.crashes]
        turn.excess = suspects[free:]
        if suspects:
            others = [held for held in turn.claimed if not held.row.crashes]
            turn.claimed = suspects[:free] + others
        if turn.excess:
            items = [self._ledger.settled(held, _handed_back(held)) for held in turn.excess]
            settle(tx, self._store.jobs, items, self._known_queues, self._name, now)

    def _after(self, turn: Turn) -> None:
        """The turn is committed: forget what ended, hand out what was claimed, answer what was asked."""
        ended = bool(turn.ended)
        for settlement in turn.settlements:
            ended = ended or bool(settlement.done)
            for item in settlement.done:
                if not item.decision.advance and (held := self._ledger.drop(item.row.id, item.row.epoch)):
                    self._left(held.host)
                self.tally.settled(item, self._name)
            for item in settlement.stale:
                turn.stale.append((item.row.id, item.row.epoch, "result"))
        if turn.claimed:
            self._hand_out(turn.claimed)
        for request in turn.requests:
            self._act_on(request)
        for id, epoch, what in turn.stale:
            self._drop_stale(id, epoch, what)
        for message in turn.others:
            if isinstance(message, Abandoned):
                self._note_abandoned(message)
        if ended or turn.ready:
            self._store.driver.notify(everywhere=turn.ready and not turn.full)
        for enqueue in turn.enqueues:
            self._enqueue(enqueue)

    def _hand_out(self, claimed: list[Held]) -> None:
        self._recent = {held.row.task for held in claimed}
        if self.limit is not None:
            self.limit -= len(claimed)
        by_host: dict[int, tuple[Host, list[Run]]] = {}
        for held in claimed:
            self._ledger.add(held)
            held.host = host = self._place(held.run)
            by_host.setdefault(id(host), (host, []))[1].append(held.run)
        self.tally.started(claimed, self._name)
        for host, runs in by_host.values():
            host.run(runs)

    def _act_on(self, request: Request) -> None:
        held = self._ledger.get(request.job, request.epoch)
        if held is None:
            return
        if request.kind == "stack":
            self._asked.add(request.id)
            held.host.tell([Stack(request.id, request.job, request.epoch)])
        elif request.kind == "cancel":
            held.canceling = True
            held.host.tell([Cancel(request.job, request.epoch, "cancel", self._grace)])
        else:
            self._drop_stale(request.job, request.epoch, "run")

    def _drop_stale(self, id: int, epoch: int, what: str) -> None:
        """The job is no longer held by this epoch: stop its run, and drop what it still says."""
        self.tally.stale += 1
        self._emitter.emit(StaleWrite(id, epoch, what))
        held = self._ledger.drop(id, epoch)
        if held is not None:
            self._left(held.host)
            held.host.tell([Cancel(id, epoch, "lost", 0.0)])

    def _note_abandoned(self, message: Abandoned) -> None:
        self.tally.abandoned += 1
        held = self._ledger.get(message.id, message.epoch)
        row = held.row if held else None
        queue, task = (row.queue, row.task) if row else ("", "")
        self._emitter.emit(SlotAbandoned(message.id, queue, task, self._name, self.tally.abandoned))

    def _enqueue(self, message: Enqueue) -> None:
        """`ctx.enqueue`: in a transaction of its own, since it may be refused."""
        reply = Reply(message.call, [], [])
        try:
            with self._store.transaction() as tx:
                if self._store.jobs.hold(tx, message.id, message.epoch) is None:
                    reply.error = ("StaleRun", f"job {message.id} is no longer held by this run: nothing was enqueued")
                else:
                    stored = self._store.jobs.insert(tx, _decode_jobs(message.jobs), self._store.now())
                    reply.rows = [row for row, _ in stored]
                    reply.existing = [existing for _, existing in stored]
        except JobyardError as error:
            reply.error = (type(error).__name__, str(error))
        else:
            ready = any(row.status == CODES["queued"] for row in reply.rows)
            self._store.driver.notify(everywhere=ready)
        held = self._ledger.get(message.id, message.epoch)
        if held is not None:
            held.host.tell([reply])
        else:
            _log.debug("nobody waits for the reply to call %d of job %d", message.call, message.id)


def _sorted(messages: Iterable[Any]) -> Turn:
    turn = Turn()
    for message in messages:
        if isinstance(message, Outcome):
            turn.outcomes.append(message)
        elif isinstance(message, Enqueue):
            turn.enqueues.append(message)
        elif isinstance(message, NotBegun):
            turn.outcomes.append(Outcome(message.id, message.epoch, 0, Ended.DRAINED))
        elif isinstance(message, Abandoned):
            turn.others.append(message)
            turn.outcomes.append(
                Outcome(message.id, message.epoch, message.op, message.ended, error=message.error, types=[_TIMEOUT])
            )
        elif not isinstance(message, Deadline):
            turn.others.append(message)
    return turn


def _handed_back(held: Held) -> Outcome:
    return Outcome(held.row.id, held.row.epoch, held.row.cursor, Ended.DRAINED)


_TIMEOUT = "jobyard.errors:JobTimeout"
