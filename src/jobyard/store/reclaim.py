"""
Taking the jobs of lost workers back.

A reclaim raises the epoch, so whatever the old run still writes is refused. The job goes back to its queue, for a free
slot only, since it may be what killed its worker; the `max_crashes`-th reclaim in all fails it as poison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from jobyard.errors import JobCrashed
from jobyard.model.faults import fault
from jobyard.model.messages import Ended, Outcome
from jobyard.model.outcome import decide
from jobyard.model.retry import NO_RETRY
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import STATUSES
from jobyard.store.builds import Builds
from jobyard.store.driver import Transaction
from jobyard.store.jobs import Jobs
from jobyard.store.machines import Machines
from jobyard.store.queues import Queues
from jobyard.store.recurrence import is_recurrence
from jobyard.store.settle import Settled, Settlement, settle
from jobyard.store.workers import WorkerRow, Workers

__all__ = ["Reclaimed", "Reclaimer"]


class Reclaimed(msgspec.Struct):
    """What a reclaim found: the lost workers and what became of their jobs."""

    workers: list[WorkerRow] = msgspec.field(default_factory=list)
    jobs: list[Settled] = msgspec.field(default_factory=list)
    ready: bool = False


@dataclass(slots=True)
class Reclaimer:
    """Finds lost workers and stale runs, within a transaction of the store."""

    jobs: Jobs
    workers: Workers
    queues: Queues
    machines: Machines
    builds: Builds

    def reclaim(self, tx: Transaction, *, before: int, max_crashes: int, spare: int, now: int) -> Reclaimed:
        """
        Close the workers whose last heartbeat was before this instant, and take their jobs back.

        Args:
            spare: the id of the worker that asks; it does not declare itself lost.
        """
        result = Reclaimed()
        for worker in self.workers.lost(tx, before):
            if worker.id != spare and self.workers.end(tx, worker.id, "lost", now, before=before):
                silent = (now - worker.heartbeat) / 1e6
                why = f"worker {worker.name} (pid {worker.pid} on {worker.machine}) was silent for {silent:.0f} s"
                settlement = self.take_back(tx, self.jobs.held_by(tx, worker.id), why, worker.name, max_crashes, now)
                self.machines.retire(tx, worker.machine, now)
                result.workers.append(worker)
                result.jobs += settlement.done
                result.ready = result.ready or settlement.ready
        return result

    def reclaim_stale(self, tx: Transaction, *, before: int, max_crashes: int, now: int) -> Reclaimed:
        """Take back what foreign runners have and did not beat since this instant."""
        result = Reclaimed()
        for row in self.machines.stale(tx, before):
            machine = row.machine or ""
            silent = (now - (row.heartbeat or 0)) / 1e6
            why = f"the run on machine {machine} was silent for {silent:.0f} s"
            settlement = self.take_back(tx, [row], why, machine, max_crashes, now)
            self.machines.retire(tx, machine, now)
            result.jobs += settlement.done
            result.ready = result.ready or settlement.ready
        return result

    def reclaim_silent(self, tx: Transaction, *, max_crashes: int, now: int) -> Reclaimed:
        """Take back the builds that are held by hand and were not heard of for longer than their heartbeat timeout."""
        result = Reclaimed()
        for row in self.builds.silent(tx, now):
            silent = (now - (row.heartbeat or 0)) / 1e6
            why = f"nothing was heard of the build for {silent:.0f} s"
            settlement = self.take_back(tx, [row], why, "", max_crashes, now)
            result.jobs += settlement.done
            result.ready = result.ready or settlement.ready
        return result

    def by_hand(self, tx: Transaction, row: JobRow, *, user: str | None, max_crashes: int, now: int) -> Settlement:
        """Take a held job back because somebody says so. That never ends a recurrence as poison."""
        if is_recurrence(row):
            max_crashes = row.crashes + 2
        worker = self.workers.get(tx, row.worker)
        holder = worker.name if worker else row.machine or ""
        return self.take_back(tx, [row], "somebody reclaimed it", holder, max_crashes, now, user)

    def take_back(
        self,
        tx: Transaction,
        rows: Sequence[JobRow],
        why: str,
        worker: str,
        max_crashes: int,
        now: int,
        user: str | None = None,
    ) -> Settlement:
        """Reclaim these held jobs, each with an event."""
        ops = self.jobs.ops(tx, [row.id for row in rows if row.op_count > 1])
        items = [_settled(row, ops.get(row.id), why, max_crashes, user) for row in rows]
        return settle(tx, self.jobs, items, self.queues.all(tx), worker, now)


def _settled(row: JobRow, ops: list[OpRow] | None, why: str, max_crashes: int, user: str | None) -> Settled:
    decision = decide(STATUSES[row.status], Ended.CRASHED, retry=NO_RETRY, crashes=row.crashes, max_crashes=max_crashes)
    outcome = Outcome(row.id, row.epoch, row.cursor, Ended.CRASHED, error=fault(JobCrashed(why)))
    return Settled(row, outcome, decision, ops, user=user)
