"""``yard.machines``: the hosts of workers and foreign runners, and whether they take jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobyard.model.audit import Event
from jobyard.model.control import Control
from jobyard.model.instants import from_micros
from jobyard.model.job import Job
from jobyard.model.machine import MachineState, OfflineReason, offline_reason
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.events import EventFilter
from jobyard.store.machines import MachineRow
from jobyard.task import checks

__all__ = ["Machine", "MachineList"]

_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Machine:
    """
    A host of workers or foreign runners, as it was when it was read.

    `reason` says why it is offline. `heartbeat` is its last sign of life: a beat of a worker there, or a call of
    `workflow.get_job_for_machine`; None before the first. `jobs` run there, in the order of their starts; `events` are
    the last hundred about it, newest first.
    """

    name: str
    state: MachineState
    reason: OfflineReason | None = None
    heartbeat: datetime | None = None
    jobs: list[Job[Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __str__(self) -> str:
        return self.name


class MachineList:
    """The machines of a yard. A worker registers its own; a foreign runner's is made by its first call."""

    def __init__(self, store: Store, control: Control, user: Callable[[], str | None]) -> None:
        self._store = store
        self._control = control
        self._user = user

    def list(self) -> list[Machine]:
        """All that are known, by name."""
        with self._store.read() as tx:
            return [self._machine(tx, row) for row in self._store.machines.all(tx)]

    def get(self, name: str) -> Machine:
        """The machine of this name. Raises `UnknownMachine`."""
        with self._store.read() as tx:
            return self._machine(tx, self._store.machines.get(tx, name))

    def online(self, name: str, user: str | None = None, message: str | None = None) -> Machine:
        """
        Have a machine take jobs; one that nobody knew is made.

        Raises:
            PreconditionFailed: it is online.
        """
        checks.name(name, "name")
        return self._change(name, lambda tx, now: self._store.machines.online(tx, name, self._who(user), message, now))

    def offline(
        self,
        name: str,
        reason: OfflineReason | str = OfflineReason.STOPPED,
        user: str | None = None,
        message: str | None = None,
    ) -> Machine:
        """
        Have a machine take no jobs, whatever runs there.

        Workers of ours end what they run. What a foreign runner has there is reclaimed if it beats no longer.

        Args:
            name: of the machine.
            reason: ``stopped`` (what runs there is interrupted), ``quiesced`` or ``watchdog``.
            user: who says so; by default the setting.
            message: why, for the audit trail.

        Raises:
            UnknownMachine: there is none of this name.
            PreconditionFailed: it is offline.
        """
        why = offline_reason(reason)
        return self._change(
            name, lambda tx, now: self._store.machines.offline(tx, name, why, self._who(user), message, now)
        )

    def quiesce(self, name: str, user: str | None = None, message: str | None = None) -> Machine:
        """
        Have a machine finish what it runs, take nothing new, and go offline when it is empty.

        Raises:
            UnknownMachine: there is none of this name.
            PreconditionFailed: it is not online.
        """
        return self._change(name, lambda tx, now: self._store.machines.quiesce(tx, name, self._who(user), message, now))

    def _change(self, name: str, act: Callable[[Transaction, int], None]) -> Machine:
        with self._store.transaction() as tx:
            act(tx, self._store.now())
            machine = self._machine(tx, self._store.machines.get(tx, name))
        self._store.driver.notify(everywhere=True)
        return machine

    def _machine(self, tx: Transaction, row: MachineRow) -> Machine:
        jobs = [Job.of_row(job, self._control) for job in self._store.machines.jobs(tx, row.name)]
        events = self._store.events.find(tx, EventFilter(machine=row.name, limit=_EVENTS))
        return Machine(row.name, row.state, row.reason, from_micros(row.heartbeat), jobs, events)

    def _who(self, user: str | None) -> str | None:
        return user if user is not None else self._user()
