"""The machine that a worker is on: whether anything may be claimed there."""

from __future__ import annotations

import logging

from jobyard.model.machine import MachineState
from jobyard.store import Store
from jobyard.store.driver import Transaction

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

    def takes_jobs(self, tx: Transaction, state: MachineState | None, now: int) -> bool:
        """Whether a machine in this state does. One that is quiescing goes offline here, once nothing runs on it."""
        if state is None:
            return True
        if state is MachineState.QUIESCING and self._store.machines.retire(tx, self.name, now):
            state = MachineState.OFFLINE
        if state is not self._state:
            self._state = state
            _log.warning("machine %s is %s%s", self.name, state, "" if state == "online" else ": no jobs are claimed")
        return state is MachineState.ONLINE
