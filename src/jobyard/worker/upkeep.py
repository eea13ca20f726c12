"""The heartbeat of a worker, the reclaim of others' jobs, and the chores that any worker does now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from jobyard.cleanup import clean_up_and_prune
from jobyard.config import Settings
from jobyard.errors import SchemaOutOfDate
from jobyard.model.codec import Codec
from jobyard.model.emitter import Emitter
from jobyard.model.events import JobPoisoned, JobReclaimed, WorkerLost
from jobyard.model.states import Status
from jobyard.model.traceback import RemoteError
from jobyard.store import Store, migrate
from jobyard.store.reclaim import Reclaimed
from jobyard.task import Registry
from jobyard.worker.station import Station

__all__ = ["Chores", "Heartbeat"]

_log = logging.getLogger("jobyard.worker")
_SWEEP = 60.0
_PRUNE = 300.0


class Heartbeat:
    """
    Says that this worker is alive, finds those that are not, and sees when the tables become those of another version.

    Silence counts only as long as this worker itself could write: after a time in which the database was held or this
    process was stopped, everybody has `lost_after` to be heard again.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        emitter: Emitter,
        *,
        state: Callable[[], tuple[int, str]],
        lost: Callable[[], None],
        reclaimed: Callable[[], None],
        beaten: Callable[[], None],
        outdated: Callable[[SchemaOutOfDate], None],
        station: Station,
    ) -> None:
        self._store = store
        self._settings = settings
        self._emitter = emitter
        self._state = state
        self._lost = lost
        self._reclaimed = reclaimed
        self._beaten = beaten
        self._outdated = outdated
        self._station = station
        self._able_since = store.now()
        self._blocked = False
        """Whether there ever was a time in which this worker could not write."""
        self._last, self._last_now = time.monotonic(), self._able_since

    def tick(self) -> None:
        self.beat()
        self.check_schema()
        self.reclaim()
        self.reclaim_stale()
        self.reclaim_silent()

    def beat(self) -> None:
        """Renew the heartbeat; a worker that finds itself lost is told."""
        began = time.monotonic()
        id, state = self._state()
        with self._store.transaction(priority=True) as tx:
            now = self._store.now()
            alive = self._store.workers.beat(tx, id, state, now)
            self._station.beat(tx, now)
        ended = time.monotonic()
        gap = ended - self._last
        if not self._store.has_clock:  # the monotonic clock stands still while a machine sleeps
            gap = max(gap, (now - self._last_now) / 1e6)
        if max(ended - began, gap - self._settings.heartbeat) > self._settings.heartbeat:
            self._able_since, self._blocked = now, True
        self._last, self._last_now = ended, now
        if alive:
            self._beaten()
        else:
            self._lost()

    def check_schema(self) -> None:
        """Tell if somebody has upgraded the tables, or dropped them."""
        try:
            migrate.check(self._store.driver, self._store.url)
        except SchemaOutOfDate as error:
            self._outdated(error)

    def reclaim(self) -> None:
        """Take back the jobs of workers that have been silent for too long."""
        lost_after = round(self._settings.lost_after * 1_000_000)
        now = self._store.now()
        slept = now - self._last_now > self._settings.heartbeat * 1_000_000  # since the beat of this very tick
        if slept or now - self._able_since < lost_after:
            return
        with self._store.read() as tx:
            if not self._store.workers.lost(tx, now - lost_after):
                return
        with self._store.transaction() as tx:
            found = self._store.reclaimer.reclaim(
                tx,
                before=now - lost_after,
                max_crashes=self._settings.max_crashes,
                spare=self._state()[0],
                now=now,
            )
        for worker in found.workers:
            count = sum(item.row.worker == worker.id for item in found.jobs)
            self._emitter.emit(WorkerLost(worker.name, count))
        self._tell(found, "a lost worker")

    def reclaim_stale(self) -> None:
        """Take back what foreign runners have and have not beaten for too long."""
        reclaim_after = round(self._settings.reclaim_after * 1_000_000)
        now = self._store.now()
        if self._blocked and now - self._able_since < reclaim_after:
            return
        before = now - reclaim_after
        with self._store.read() as tx:
            if not self._store.machines.any_stale(tx, before):
                return
        with self._store.transaction() as tx:
            found = self._store.reclaimer.reclaim_stale(
                tx, before=before, max_crashes=self._settings.max_crashes, now=now
            )
        self._tell(found, "a silent machine")

    def reclaim_silent(self) -> None:
        """Take back the builds by hand that have a heartbeat timeout, and nobody to keep to it."""
        now = self._store.now()
        if self._blocked and now - self._able_since < round(self._settings.reclaim_after * 1_000_000):
            return
        with self._store.read() as tx:
            if not self._store.builds.any_silent(tx, now):
                return
        with self._store.transaction() as tx:
            found = self._store.reclaimer.reclaim_silent(tx, max_crashes=self._settings.max_crashes, now=now)
        self._tell(found, "a silent caller")

    def _tell(self, found: Reclaimed, holder: str) -> None:
        names = {worker.id: worker.name for worker in found.workers}
        for item in found.jobs:
            row, status, crashes = item.row, item.decision.status, item.row.crashes + 1
            if status is Status.FAILED and item.decision.crashed:
                why = RemoteError.from_json(item.outcome.error).summary if item.outcome.error else holder
                self._emitter.emit(JobPoisoned(row.id, row.queue, row.task, crashes, why))
            elif status is not Status.CANCELED:
                name = names.get(row.worker or 0, holder)
                self._emitter.emit(JobReclaimed(row.id, row.queue, row.task, name, crashes))
        if found.jobs:
            self._store.driver.notify(everywhere=True)
            self._reclaimed()


@dataclass
class Chores:
    """Waking dependants that a caller's transaction left behind, and pruning. Any worker may: twice is harmless."""

    store: Store
    settings: Settings
    emitter: Emitter
    tasks: Registry
    codec: Codec
    _swept: float = float("-inf")
    _pruned: float = float("-inf")

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._swept >= _SWEEP:
            self._swept = now
            self.sweep()
        if now - self._pruned >= _PRUNE:
            self._pruned = now
            self.prune()

    def sweep(self) -> None:
        """Close the open edges of parents that have ended."""
        with self.store.read() as tx:
            if not self.store.jobs.strays(tx):
                return
        with self.store.transaction() as tx:
            strays = self.store.jobs.strays(tx)
            self.store.jobs.release(tx, strays, self.store.now())
        self.store.driver.notify(everywhere=True)

    def prune(self) -> None:
        gone = clean_up_and_prune(
            self.store,
            self.tasks,
            self.codec,
            keep=self.settings.keep,
            keep_failed=self.settings.keep_failed,
            now=self.store.now(),
        )
        if gone:
            _log.info("pruned %s", gone)
