"""The machine that a worker is on: whether anything may be claimed there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from jobyard.model.machine import MachineState
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.machines import MachineRow

__all__ = ["Station"]

_log = logging.getLogger("jobyard.worker")


class Station:
    """A worker's view of its machine, which others take off and put on."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self._store = store
        self._state = MachineState.ONLINE

    def register(self, tx: Transaction, now: int) -> None:
        """Say that there is such a machine; one that nobody knew is online."""
        self._store.machines.register(tx, self.name, now)

    def beat(self, tx: Transaction, now: int) -> None:
        self._store.machines.beat(tx, self.name, now)

    def ask(self, tx: Transaction) -> Callable[[], MachineRow | None]:
        """The machine, not waited for."""
        return self._store.machines.ask(tx, self.name)

    def takes_jobs(self, tx: Transaction, machine: MachineRow | None, now: int) -> bool:
        """Whether the machine is online. One that is quiescing goes offline here, once nothing runs on it."""
        if machine is None:
            return True
        state = machine.state
        if state is MachineState.QUIESCING and self._store.machines.retire(tx, self.name, now):
            state = MachineState.OFFLINE
        if state is not self._state:
            self._state = state
            _log.warning("machine %s is %s%s", self.name, state, "" if state == "online" else ": no jobs are claimed")
        return state is MachineState.ONLINE
