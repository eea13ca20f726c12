"""
The claimer: the one place of a worker that claims jobs and writes what comes of them.

Each turn is one transaction. It writes what the slots have reported, and claims as many jobs as they can take next;
then it hands those out. A turn that the database refuses is repeated with the same reports, so nothing is lost while it
is away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jobyard.errors import JobyardError, StoreError
from jobyard.model.emitter import Emitter
from jobyard.model.events import ChildDied, JobsClaimed, SlotAbandoned, StaleWrite
from jobyard.model.machine import MachineState
from jobyard.model.messages import (
    Abandoned,
    Beat,
    Cancel,
    Died,
    Ended,
    Enqueue,
    Lines,
    NotBegun,
    Outcome,
    Reply,
    Stack,
    StackTaken,
)
from jobyard.model.newjob import NewJob
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES, FINAL, STATUSES, Status
from jobyard.store import Store
from jobyard.store.driver import Transaction, Unanswered
from jobyard.store.jobs import claim_order, json_text
from jobyard.store.queues import Queue
from jobyard.store.release import Claim
from jobyard.store.requests import Request
from jobyard.store.settle import GuessedWrong, Settlement
from jobyard.worker.calls import refusal
from jobyard.worker.delivery import Delivery, Host, Key
from jobyard.worker.guess import Guess
from jobyard.worker.hosts import Hosts
from jobyard.worker.inbox import Inbox
from jobyard.worker.ledger import Held, Ledger
from jobyard.worker.pace import Pace
from jobyard.worker.settling import Settling, incomplete
from jobyard.worker.station import Station
from jobyard.worker.tally import Tally
from jobyard.worker.turn import Turn, sorted_turn

__all__ = ["Claimer"]

_log = logging.getLogger("jobyard.worker")
_BEHIND = 0.1
"""Seconds after which a job that waits for a slot here goes back, so that another worker may take it."""
_decode_jobs = msgspec.msgpack.Decoder(list[NewJob]).decode


class Claimer:
    """
    Claims jobs, hands them to hosts and writes what comes of them. Everything here runs in one thread.

    Args:
        queues: those it serves; None for all.
        hosts: they say which of them takes a run, and are told when it has left.
        slots: how many runs at a time, on all hosts.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        inbox: Inbox,
        hosts: Hosts,
        emitter: Emitter,
        *,
        name: str,
        station: Station,
        queues: tuple[str, ...] | None,
        tasks: Mapping[str, object],
        slots: int,
        cancel_grace: float,
    ) -> None:
        self.id = 0
        """This worker's incarnation."""
        self.claiming = True
        self.tally = Tally(emitter)
        self.in_doubt = False
        """Whether the last turn failed: jobs may be this worker's without its knowing."""
        self._store = store
        self._ledger = ledger
        self._inbox = inbox
        self._hosts = hosts
        self._emitter = emitter
        self._name = name
        self._station = station
        self._queues = queues
        self._tasks = tasks
        self._names = (0, "[]")
        """How many tasks were known when their names were written down, and these."""
        self._slots = slots
        self._grace = cancel_grace
        self._pace = Pace()
        self._guess = Guess()
        self._delivery = Delivery(ledger, hosts, inbox)
        self._settling = Settling(store, ledger, name, self._delivery.let_go)
        self._recent: set[str] = set()
        self._asked: set[int] = set()
        self._known_queues: Mapping[str, Queue] = {}
        self._last_of_all: int | None = None
        """How many jobs the last turn claimed, if those were all there were to claim."""
        self._glanced = False
        """Whether the last turn did no more than claim."""
        self._unanswered: Unanswered | None = None
        """A claim of which nobody knows what has become."""

    def turn(self, messages: list[Any]) -> Turn:
        """Write what *messages* report, claim, and hand out. If the store refuses, nothing was done."""
        return self._glance(messages) or self._whole(messages)

    def _glance(self, messages: list[Any]) -> Turn | None:
        """
        Do no more than claim, in one statement, so that an idle worker begins at once.

        Returns:
            None if nothing was claimed: there is nothing, or something else is to be done too.
        """
        glanced, self._glanced = self._glanced, False
        turn = Turn(is_glance=True, again=True)
        turn.wanted = 0 if messages or glanced or self.in_doubt else self._wanted(turn)
        queue, serves_all = self._guess.queue, self._queues is None
        if queue is None or not turn.wanted or not (serves_all or self._queues == (queue,)):
            return None
        began = time.perf_counter()
        self.in_doubt = True
        try:
            rows = self._store.claim_usual(
                queue, serves_all=serves_all, tasks=self._known(), worker=self.id, limit=turn.wanted
            )
        except Unanswered as error:
            self._unanswered = error
            raise
        turn.seconds = time.perf_counter() - began
        turn.claimed = list(map(self._ledger.claims({}), rows))
        self._after(turn)
        self.in_doubt = False
        self._glanced = bool(rows)
        return turn if rows else None

    def _whole(self, messages: list[Any]) -> Turn:
        turn = sorted_turn(messages)
        turn.wanted = self._wanted(turn)
        try:
            turn.guessing = self._guess.may_be_right
            look = self._write(turn, durable=bool(messages))
        except GuessedWrong:
            self._guess.was_wrong()
            before, turn = turn, sorted_turn(messages)
            turn.wanted, turn.busy = before.wanted, before.busy
            look = self._write(turn, durable=bool(messages))
        finally:
            self._delivery.let_go()
        try:
            turn.next_due, turn.ready = look()
            if turn.settlements:
                released = (done.claimed if turn.claims_released else done.ready for done in turn.settlements)
                self._guess.releases = not turn.ready and any(released)
        except StoreError:  # the turn is committed, but the connection broke before it said so
            turn.again = True
        self._last_of_all = len(turn.claimed) if len(turn.claimed) < turn.wanted else None
        self._after(turn)
        return turn

    def _write(self, turn: Turn, *, durable: bool) -> Callable[[], tuple[int | None, bool]]:
        """Do in a transaction what the turn does; returns what `_act` returns."""
        try:
            if self._unanswered is not None:
                self._unanswered.end()
                self._unanswered = None
            # A claim alone need not reach the disk: after a power cut nobody remembers it, and the job is queued again.
            with self._store.transaction(durable=durable) as tx:
                look = self._act(tx, turn, self._store.now())
        except BaseException as error:
            turn.undo()
            self.in_doubt = self.in_doubt or not isinstance(error, GuessedWrong)
            raise
        self.in_doubt = False
        return look

    def take_back(self, *, older_than: float | None = None) -> None:
        """Have runs that have not begun go back; with *older_than* only those handed out before (monotonic seconds)."""
        self._delivery.let_go()
        late = [held for held in self._ledger if older_than is None or held.handed_out < older_than]
        by_host: dict[int, tuple[Host, list[Key]]] = {}
        for held in late:
            by_host.setdefault(id(held.host), (held.host, []))[1].append(held.key)
        for host, keys in by_host.values():
            taken = host.take_back(keys)
            self._inbox.send([NotBegun(*key) for key in taken])
            if taken and older_than is not None:
                self._pace.hold(time.monotonic())

    def drop_all(self) -> int:
        """Stop every run, whose jobs are no longer this worker's; returns how many there were."""
        self._delivery.let_go()
        lost = self._ledger.clear()
        for held in lost:
            self._hosts.left(held.host)
            held.host.tell([Cancel(*held.key, "lost", 0.0)])
        self.tally.lost += len(lost)
        return len(lost)

    def cancel_all(self, grace: float) -> None:
        """Tell every run to stop, since the worker does; what comes of them is written as ever."""
        self._delivery.let_go()
        self._settling.stopping = Ended.DRAINED
        for held in self._ledger:
            held.host.tell([Cancel(*held.key, "drain", grace)])

    def give_all_back(self) -> None:
        """Give back what is still held, and no longer wait for its runs."""
        self._delivery.keep_for_good()
        self.claiming = False
        self.tally.lost += len(self._ledger)
        self.turn([Outcome(*held.key, held.row.cursor, Ended.DRAINED) for held in self._ledger])

    def enough(self) -> int:
        """
        How many messages are worth a turn.

        As a rule those of all runs but the last, which have the slots meanwhile. Where nothing is left to claim, a turn
        with a part of those that began last would only be one more, and claim in two parts what their ends make ready.
        """
        if self._last_of_all is not None and self._pace.is_quick(self._recent, self._slots):
            return min(self._last_of_all, len(self._ledger))
        return len(self._ledger) - self._slots

    def behind(self) -> float | None:
        """The instant (monotonic) before which a run must have been handed out to be waiting for too long."""
        return time.monotonic() - _BEHIND if len(self._ledger) > 0 else None

    def _wanted(self, turn: Turn) -> int:
        """How many jobs to claim: free slots, and some ahead if the jobs are short."""
        if not self.claiming:
            return 0
        ending = set()
        for outcome in turn.outcomes:
            found = self._ledger.get(outcome.id, outcome.epoch)
            if found is None:
                continue
            if outcome.began:  # of those that never began, nothing was measured
                self._pace.ended(found.row.task, outcome.seconds)
            if not outcome.more:
                ending.add(outcome.id)
        turn.busy = len(self._ledger) - len(ending)
        ahead = self._pace.ahead(self._recent, self._slots, time.monotonic())
        return max(0, self._slots + ahead - turn.busy)

    def _act(self, tx: Transaction, turn: Turn, now: int) -> Callable[[], tuple[int | None, bool]]:
        """
        All that a turn does.

        Returns:
            What comes with the commit: when the next scheduled job is due, and whether it leaves jobs to others that it
            has made ready itself.

        Raises:
            GuessedWrong: the turn guesses what is nearly always right before it is known, and this time it was not.
        """
        self._known_queues = self._store.queues.all(tx)
        requests = self._store.requests.ask_open_for(tx, self.id)
        held = self._store.workers.ask_hold(tx, self.id)
        self._record(tx, turn, now)
        self._guess_claim(turn)
        self._settling.settle(tx, turn, self._known_queues, now)
        if self.in_doubt:
            self._return_unknown(tx, turn, now)
        if self.claiming:
            self._claim(tx, turn, now, lambda: self._may_claim(tx, *held(), now))
        for settlement in turn.settlements:
            settlement.complete()
            turn.ready = turn.ready or settlement.ready
            turn.again = turn.again or bool(settlement.ended)  # what waits for those became ready after the claim
        self._sort_requests(tx, turn, requests(), now)
        alive, _ = held()
        turn.lost = not alive
        next_due = self._store.jobs.ask_next_due(tx)
        left = self._store.jobs.ask_ready_queues(tx) if turn.ready else list
        return lambda: (next_due(), bool(left()))

    def _may_claim(self, tx: Transaction, alive: bool, machine: MachineState | None, now: int) -> bool:
        return alive and self._station.takes_jobs(tx, machine, now)

    def _return_unknown(self, tx: Transaction, turn: Turn, now: int) -> None:
        """A commit that failed may have been carried out: jobs claimed by it are this worker's without its knowing."""
        rows = [row for row in self._store.jobs.held_by(tx, self.id) if self._ledger.get(row.id, row.epoch) is None]
        for held in map(self._ledger.claims(self._known_queues), rows):
            item = self._ledger.settled(held, Outcome(*held.key, held.row.cursor, Ended.DRAINED))
            self._settling.write(tx, [item], turn, self._known_queues, now)

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

    def _sort_requests(self, tx: Transaction, turn: Turn, requests: Iterable[Request], now: int) -> None:
        for request in requests:
            if request.kind != "stack" or self._ledger.get(request.job, request.epoch) is None:
                self._store.requests.answer(tx, request.id, None, now)
            if request.id not in self._asked:
                turn.requests.append(request)

    def _guess_claim(self, turn: Turn) -> None:
        """Find what may be claimed before it is known which queues have jobs: from the one that had some, if any."""
        queue = self._guess.queue
        if turn.guessing and queue is not None and turn.wanted:
            turn.claim = Claim(self.id, queue, self._known(), turn.wanted)
            # In doubt, what is this worker's without its knowing is looked up in between.
            turn.claims_released = self._guess.releases and bool(turn.outcomes) and not self.in_doubt

    def _claim(self, tx: Transaction, turn: Turn, now: int, may_claim: Callable[[], bool]) -> None:
        jobs = self._store.jobs
        jobs.ask_promote(tx, now)
        expired = jobs.ask_expired(tx, now)
        ready_queues = jobs.ask_ready_queues(tx)
        held: dict[int, Held] = {}
        make = self._ledger.claims(self._known_queues)

        def hold(row: JobRow) -> None:
            held[row.id] = make(row)

        def ask(queues: Sequence[str], limit: int) -> Callable[[], list[JobRow]]:
            tasks = self._known()
            return jobs.ask_claim(tx, queues, tasks=tasks, worker=self.id, limit=limit, now=now, meanwhile=hold)

        began = time.perf_counter()
        rows: list[JobRow] = []
        early = None
        if turn.claims_released:
            rows = _claimed_with_release(turn)
            for row in rows:
                hold(row)
        elif turn.claim is not None:
            early = ask([turn.claim.queue], turn.wanted)
        if early is not None and expired():
            raise GuessedWrong  # what it claimed may be among them
        for settlement in turn.settlements:
            settlement.check()  # before the claim is looked at, which learns where the next one is to begin
        effect = self._store.control.end_expired(tx, expired(), now)
        turn.ready = turn.ready or effect.ready
        turn.again = effect.ready
        turn.ended += effect.ended
        queues = self._open(self._queues if self._queues is not None else ready_queues())
        may = may_claim()
        if turn.claim is not None and (early is not None or rows):
            guessed = [turn.claim.queue]
            if not (may and self._open(guessed) and {*queues} <= {*guessed}):
                raise GuessedWrong
        if not may or not turn.wanted:
            return
        self._guess.learn(queues)
        if early is not None:
            rows = early()
        elif queues and len(rows) < turn.wanted:
            rows = rows + ask(queues, turn.wanted - len(rows))()
        turn.seconds = time.perf_counter() - began
        turn.claimed = [held[row.id] for row in rows]
        if turn.claimed:
            self._look_through(tx, turn, now)

    def _look_through(self, tx: Transaction, turn: Turn, now: int) -> None:
        """Make what was claimed ready to run, and write off what cannot."""
        self._ledger.fill(tx, turn.claimed)
        settled = len(turn.settlements)
        self._return_suspects(tx, turn, now)
        self._fail_incomplete(tx, turn, now)
        for settlement in turn.settlements[settled:]:
            settlement.complete()
            turn.again = turn.again or settlement.ready

    def _open(self, queues: Iterable[str]) -> list[str]:
        """Those that are not paused."""
        known = self._known_queues
        return [name for name in queues if name not in known or not known[name].paused]

    def _known(self) -> str:
        """The names of the tasks as the store takes them; more may be registered while the worker runs."""
        if self._names[0] != len(self._tasks):
            names = list(self._tasks)
            self._names = len(names), json_text(names)
        return self._names[1]

    def _return_suspects(self, tx: Transaction, turn: Turn, now: int) -> None:
        """A job that may have killed its worker is not claimed ahead: it has a free slot at once, or goes back."""
        suspects = [held for held in turn.claimed if held.row.crashes]
        if not suspects:
            return
        self._pace.hold(time.monotonic())  # else the next claim would take, and return, as many again
        free = max(0, self._slots - turn.busy)
        others = [held for held in turn.claimed if not held.row.crashes]
        turn.claimed = suspects[:free] + others
        items = [
            self._ledger.settled(held, Outcome(*held.key, held.row.cursor, Ended.DRAINED)) for held in suspects[free:]
        ]
        self._settling.write(tx, items, turn, self._known_queues, now)

    def _fail_incomplete(self, tx: Transaction, turn: Turn, now: int) -> None:
        """A job of a definition whose dependencies have no successful builds fails before it begins."""
        lacking = [held for held in turn.claimed if held.row.definition is not None and held.lacking]
        if not lacking:
            return
        turn.claimed = [held for held in turn.claimed if held not in lacking]
        turn.again = True  # the slots they were to have are free, and no message will come of them
        items = [self._ledger.settled(held, incomplete(held)) for held in lacking]
        self._settling.write(tx, items, turn, self._known_queues, now)

    def _after(self, turn: Turn) -> None:
        """The turn is committed: forget what ended, hand out what was claimed, answer what was asked."""
        for settlement in turn.settlements:
            self._note(settlement, turn)
        for row in turn.ended:
            self.tally.ended_without_a_run(row)
        for id, epoch, what in turn.stale:
            self._drop_stale(id, epoch, what)
        if turn.onward:
            self._delivery.go_on(turn.onward)
        if turn.claimed:
            self._hand_out(turn)
        for request in turn.requests:
            self._answer(request)
        for message in turn.others:
            if isinstance(message, Abandoned):
                self._note_abandoned(message)
            elif isinstance(message, StackTaken):
                self._asked.discard(message.request)
            elif isinstance(message, Died):
                self._emitter.emit(ChildDied(self._name, message.pid, message.how, tuple(message.jobs)))
        if turn.ended or turn.ready or any(settlement.done for settlement in turn.settlements):
            self._store.driver.notify(everywhere=turn.ready, by=self._inbox.wake)
        for enqueue in turn.enqueues:
            self._enqueue(enqueue)

    def _note(self, settlement: Settlement, turn: Turn) -> None:
        for item in settlement.done:
            if not item.decision.advance:
                self._delivery.forget(item)
            self.tally.settled(item, self._name)
        for item in settlement.committed:
            if STATUSES[item.row.status] in FINAL:
                self._delivery.forget(item)
                outcome = item.outcome
                self.tally.finished(item.row, STATUSES[item.row.status], outcome.seconds, outcome.error)
        self._store.jobs.remember_successes(
            item.row for item in settlement.done if item.decision.status is Status.SUCCEEDED
        )
        turn.ended += settlement.ended
        turn.stale += [(*item.key, "result") for item in settlement.stale]

    def _hand_out(self, turn: Turn) -> None:
        claimed = turn.claimed
        if self._emitter.wants(JobsClaimed):
            ids = tuple(held.row.id for held in claimed)
            self._emitter.emit(JobsClaimed(self._name, ids, turn.seconds))
        self._recent = {held.row.task for held in claimed}
        self.tally.started(claimed, self._name)
        self._delivery.hand_out(claimed)

    def _answer(self, request: Request) -> None:
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
            self._hosts.left(held.host)
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
                    reply.error = refusal((message.id, message.epoch))
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


def _claimed_with_release(turn: Turn) -> list[JobRow]:
    """The dependants of what has ended that were claimed at once, best first."""
    for settlement in turn.settlements:
        settlement.complete()
    return sorted((row for settlement in turn.settlements for row in settlement.claimed), key=claim_order)
