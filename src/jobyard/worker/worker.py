"""A worker: start, loop until told, drain, stop."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jobyard.config import Settings
from jobyard.context import Link
from jobyard.errors import SchemaOutOfDate, StoreError, StoreUnavailable, UsageError
from jobyard.model.codec import Codec
from jobyard.model.emitter import Emitter
from jobyard.model.events import StoreRetry, WorkerLost, WorkerStarted, WorkerStopped
from jobyard.model.states import FINAL, Status
from jobyard.store import Store, migrate
from jobyard.store.again import growing_pause
from jobyard.store.driver import Heed
from jobyard.store.filters import JobFilter, count_jobs
from jobyard.task import Registry
from jobyard.worker import wire
from jobyard.worker.claimer import Claimer
from jobyard.worker.hosts import Hosts
from jobyard.worker.inbox import MANY, Inbox
from jobyard.worker.ledger import Ledger
from jobyard.worker.loops import Loop
from jobyard.worker.signals import stop_signals
from jobyard.worker.station import Station
from jobyard.worker.stop import Stop
from jobyard.worker.tally import Summary
from jobyard.worker.turn import Turn
from jobyard.worker.upkeep import Chores, Heartbeat

__all__ = ["Worker"]

_log = logging.getLogger("jobyard.worker")
_AT_ONCE = 1000
"""Messages that a turn takes: at most half of what is claimed ahead, so that the slots have the others meanwhile."""
_GATHER = 0.0025
"""Seconds that outcomes wait until there are many, while short jobs wait for the slots."""
_CHORES_EVERY = 30.0
_LOOK_BEHIND = 0.05
"""Seconds between two looks for jobs that wait behind a slow one."""
_TURN = "claiming and finishing jobs"
_numbers = itertools.count(1)


class Worker:
    """
    Claims and runs jobs. Made by `Yard.worker`.

    Args:
        queues: those it serves; None for all.
        owner: the yard, which child processes look for in the modules of the tasks.
    """

    hosts_class: type[Hosts] = Hosts

    def __init__(
        self,
        store: Store,
        tasks: Registry,
        settings: Settings,
        *,
        queues: tuple[str, ...] | None,
        concurrency: int | None,
        processes: int | None,
        name: str | None,
        codec: Codec,
        link: Link,
        emitter: Emitter,
        owner: Any = None,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        _refuse_windows()
        _refuse_import()
        self.settings = settings
        self.concurrency = _positive(settings.concurrency if concurrency is None else concurrency, "concurrency")
        self.processes = _positive(settings.processes if processes is None else processes, "processes")
        self.queues = queues
        self.machine = socket.gethostname()
        self.name = name or f"{self.machine}-{os.getpid()}-{next(_numbers)}"
        self.max_jobs: int | None = None
        """Jobs that a child process serves before it is replaced."""
        self.max_memory: int | None = None
        """Bytes that a child process may have before it is replaced."""
        self._store = store
        self._prepare = prepare
        self._codec = codec
        self._tasks = tasks
        self._link = link
        self._emitter = emitter
        self._station = Station(store, self.machine)
        self._inbox = Inbox()
        self._ledger = Ledger(store, tasks, settings.max_crashes)
        self._hosts = self.hosts_class(self, tasks, codec, link, settings, self._inbox.send, owner)
        self._claimer = self._new_claimer()
        self._heartbeat = self._new_heartbeat()
        self._stop = Stop(shutdown_grace=settings.shutdown_grace, cancel_grace=settings.cancel_grace)
        self._looked = 0.0
        self._is_lost = False
        self._outdated: SchemaOutOfDate | None = None
        self._on_beat: list[Callable[[], None]] = []

    def _new_claimer(self) -> Claimer:
        return Claimer(
            self._store,
            self._ledger,
            self._inbox,
            self._hosts,
            self._emitter,
            name=self.name,
            station=self._station,
            queues=self.queues,
            tasks=self._tasks.known,
            slots=self.concurrency,
            cancel_grace=self.settings.cancel_grace,
        )

    def _new_heartbeat(self) -> Heartbeat:
        return Heartbeat(
            self._store,
            self.settings,
            self._emitter,
            state=lambda: (self._claimer.id, "stopping" if self.stopping else "running"),
            lost=self._found_lost,
            reclaimed=self._inbox.wake,
            beaten=self._beaten,
            outdated=self._found_outdated,
            station=self._station,
        )

    def __repr__(self) -> str:
        return f"<Worker {self.name}>"

    @property
    def running(self) -> int:
        """How many jobs it holds."""
        return len(self._ledger)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.told > 0

    @property
    def done(self) -> Summary:
        """What it has done so far; `left` is not counted."""
        return self._claimer.tally.summary(0)

    def on_beat(self, function: Callable[[], None]) -> None:
        """Call *function* after every heartbeat that was written."""
        self._on_beat.append(function)

    def run(self) -> int:
        """
        Run jobs until it is told to stop.

        In the main thread SIGTERM and SIGINT stop it: the first lets jobs end for `shutdown_grace`, the second not,
        the third ends the process.

        Returns:
            0 if every job it had begun came to its own end, else 1.

        Raises:
            SchemaOutOfDate: the tables are of another version, or became so while it ran: then it has stopped in order.
        """
        self._serve(until_idle=False)
        return 0 if self._claimer.tally.clean else 1

    def run_until_idle(self) -> Summary:
        """Run jobs until none is ready or running here; jobs that are due later, wait or are suspended are left."""
        self._serve(until_idle=True)
        now = self._store.now()
        with self._store.read() as tx:
            rows = count_jobs(tx, (), JobFilter(statuses=tuple(s for s in Status if s not in FINAL)), now)
        return self._claimer.tally.summary(rows[0][0])

    def stop(self) -> None:
        """Stop as the first SIGTERM does; any further call as the second one. From any thread, also from a job."""
        self._told(min(self._stop.told + 1, 2))

    def _serve(self, *, until_idle: bool) -> None:
        with stop_signals(self._told), self._started():
            try:
                self._loop(until_idle)
                self._drain()
            except Exception:
                migrate.check(self._store.driver, self._store.url)  # rows that it cannot read are a newer version's
                raise
        if self._outdated is not None:
            raise self._outdated

    @contextmanager
    def _started(self) -> Iterator[None]:
        self._store.check()
        self._prepare()
        self._hosts.start()
        self._link.started()
        self._register()
        with suppress(StoreError):  # each heartbeat does it again, and nobody exits once it is registered
            self._heartbeat.reclaim_stale()
        loops = [
            Loop("heartbeat", self.settings.heartbeat, self._heartbeat.tick),
            Loop(
                "chores",
                _CHORES_EVERY,
                Chores(self._store, self.settings, self._emitter, self._tasks, self._codec).tick,
            ),
        ]
        for loop in loops:
            loop.start()
        self._store.driver.write_much()
        forget = self._store.driver.listen(self._inbox.wake)
        unsubscribe = self._store.on_clock_change(self._heartbeat.beat, lambda: self._clock_moved(loops))
        self._emitter.emit(
            WorkerStarted(self.name, self._store.location, self.queues, self.concurrency, self.processes)
        )
        try:
            yield
        finally:
            unsubscribe()
            forget()
            for loop in loops:
                loop.stop()
            self._hosts.stop()
            self._link.stopped()
            self._sign_off()
            self._emitter.emit(WorkerStopped(self.name, self._claimer.tally.clean))

    def _loop(self, until_idle: bool) -> None:
        failures = 0
        next_due: int | None = None
        heed = Heed.JOBS
        while not self.stopping:
            if self._is_lost:
                self._start_anew()
            seen = self._inbox.seen()
            self._inbox.gather(min(self._claimer.enough(), MANY), _GATHER)
            messages = self._inbox.take(_AT_ONCE)
            if messages or not seen:
                turn = self._try_turn(messages)
                failures = 0 if turn else failures + 1
                if turn is None:
                    self._pause(_TURN, failures)
                    continue
                if turn.is_glance:
                    self._inbox.wait(_GATHER)
                next_due = turn.next_due
                heed = Heed.JOBS if turn.wanted > len(turn.claimed) else Heed.REQUESTS
                if turn.again:
                    self._inbox.wake()
                elif until_idle and not (turn.claimed or self._ledger or turn.enqueues or turn.lost):
                    return
                continue
            self._take_late_back()
            if self._rest(next_due, heed):
                self._inbox.wake()

    def _drain(self) -> None:
        """Claim no more; let runs end until the grace is over, then cancel them, and give back what is left."""
        self._claimer.claiming = False
        self._claimer.take_back()
        failures = 0
        while self._ledger and not self._stop.is_over:
            if (grace := self._stop.cancels()) is not None:
                self._claimer.cancel_all(grace)
            messages = self._inbox.take(_AT_ONCE)
            if not messages and self._inbox.seen():
                self._inbox.wait(0.05)
                continue
            if self._is_lost:
                self._claimer.drop_all()
                return
            if self._try_turn(messages) is None:
                failures += 1
                self._pause(_TURN, failures)
        if self._ledger and (messages := self._inbox.take(sys.maxsize)):
            self._try_turn(messages)  # what runs reported while the store was away is not run again if it is back

    def _told(self, count: int) -> None:
        self._stop.tell(count)
        if count > 2:
            self._hosts.kill()
            os._exit(1)
        self._inbox.wake()

    def _try_turn(self, messages: list[Any]) -> Turn | None:
        """One turn of the claimer; None if the store refused it, whose messages are kept for the next."""
        try:
            turn = self._claimer.turn(messages)
            self._looked = time.monotonic()
            if turn.lost:
                self._found_lost()
            return turn
        except StoreError as error:
            self._inbox.put_back(messages)
            self._last_error = error
            if isinstance(error, SchemaOutOfDate):
                self._found_outdated(error)
            if isinstance(error, StoreUnavailable) and error.in_doubt:
                self._is_lost = True  # it may have claimed jobs without knowing: let others reclaim them
            return None

    def _pause(self, what: str, failures: int) -> None:
        delay = growing_pause(failures)
        self._emitter.emit(StoreRetry(what, str(self._last_error), delay))
        self._inbox.wake()
        time.sleep(delay)

    def _rest(self, next_due: int | None, heed: Heed) -> bool:
        """Sleep until something happens; True: look at the store, although nobody may have said that it changed."""
        if self._store.driver.rest(heed, self.queues):
            return True
        return not self._inbox.wait(self._sleep(next_due)) and self._is_time(next_due)

    def _sleep(self, next_due: int | None) -> float:
        """Seconds to wait for something to happen."""
        timeout = self.settings.poll
        if next_due is not None and not self._store.has_clock:
            timeout = min(timeout, max(0.0, (next_due - self._store.now()) / 1e6))
        return min(timeout, _LOOK_BEHIND) if len(self._ledger) > self.concurrency else timeout

    def _is_time(self, next_due: int | None) -> bool:
        """Nobody has woken it: whether to look at the store nevertheless."""
        is_due = next_due is not None and next_due <= self._store.now()
        return is_due or time.monotonic() - self._looked >= self.settings.poll

    def _take_late_back(self) -> None:
        if len(self._ledger) > self.concurrency and (before := self._claimer.behind()) is not None:
            self._claimer.take_back(older_than=before)

    def _register(self) -> None:
        with self._store.transaction() as tx:
            self._station.register(tx, self._store.now())
            self._claimer.id = self._store.workers.add(
                tx,
                name=self.name,
                machine=self.machine,
                pid=os.getpid(),
                queues=self.queues,
                tasks=sorted(self._tasks.known),
                concurrency=self.concurrency,
                processes=self.processes,
                now=self._store.now(),
            )

    def _sign_off(self) -> None:
        try:
            if self._ledger or self._claimer.in_doubt:
                self._claimer.give_all_back()
            with self._store.transaction() as tx:
                self._store.workers.end(tx, self._claimer.id, "stopped", self._store.now())
                self._store.machines.retire(tx, self.machine, self._store.now())
        except StoreError as error:
            _log.warning("could not sign off: %s; after lost_after others will take its jobs", error)

    def _found_lost(self) -> None:
        """Others think that this worker is dead, and have its jobs."""
        self._is_lost = True
        self._inbox.wake()

    def _found_outdated(self, error: SchemaOutOfDate) -> None:
        """Claim nothing from tables of another version; what runs may end."""
        if self._outdated is None:
            self._outdated = error
            _log.error("stopping: %s", error)
            if not self.stopping:
                self._told(1)

    def _start_anew(self) -> None:
        self._emitter.emit(WorkerLost(self.name, self._claimer.drop_all()))
        failures = 0
        while self._is_lost and not self.stopping:
            try:
                self._register()
                self._is_lost = False
            except StoreError as error:
                failures += 1
                self._last_error = error
                self._pause("registering again", failures)

    def _beaten(self) -> None:
        for function in self._on_beat:
            function()

    def _clock_moved(self, loops: list[Loop]) -> None:
        for loop in loops:
            loop.wake()
        self._inbox.wake()


def _positive(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        msg = f"{name}={value!r}: give a whole number from 1"
        raise UsageError(msg)
    return value


def _refuse_import() -> None:
    if wire.importing:
        msg = (
            "a child process imports this module, whose code starts a worker itself: "
            "put that under `if __name__ == '__main__':`"
        )
        raise UsageError(msg)


def _refuse_windows() -> None:
    if sys.platform == "win32":
        msg = "workers run on Linux and macOS; on Windows the library and enqueue work, so run the worker elsewhere"
        raise UsageError(msg)
