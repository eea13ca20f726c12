"""
The table of machines, and the jobs that foreign runners have on them.

A job that `start` gave to a machine has no worker: machine, heartbeat and epoch say whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from jobyard.errors import UnknownMachine
from jobyard.model.machine import MachineState, OfflineReason, check_machine
from jobyard.model.rows import JobRow
from jobyard.store.driver import Row, Transaction
from jobyard.store.events import Events
from jobyard.store.sql import Statements

__all__ = ["MachineRow", "Machines"]


class MachineRow(NamedTuple):
    """A machine. `reason` is said of one that is offline; `heartbeat` is its last sign of life."""

    name: str
    state: MachineState
    reason: OfflineReason | None
    heartbeat: int | None
    created_at: int


class Machines:
    """Reads and writes machines within a transaction, each change of a state with its event."""

    def __init__(self, sql: Statements, events: Events) -> None:
        self._sql = sql
        self._events = events

    def all(self, tx: Transaction) -> list[MachineRow]:
        """All machines, by name."""
        return [_machine(row) for row in tx.fetch(self._sql.list)]

    def find(self, tx: Transaction, name: str) -> MachineRow | None:
        return next(map(_machine, tx.fetch(self._sql.get, {"name": name})), None)

    def get(self, tx: Transaction, name: str) -> MachineRow:
        """The machine. Raises `UnknownMachine`."""
        return _known(self.find(tx, name), name)

    def lock(self, tx: Transaction, name: str) -> MachineRow:
        """The machine, whose state stays as it is until the transaction ends. Raises `UnknownMachine`."""
        rows = tx.fetch(self._sql.lock, {"name": name})
        return _known(_machine(rows[0]) if rows else None, name)

    def register(self, tx: Transaction, name: str, now: int) -> MachineRow:
        """The machine, which is alive; one that nobody knew is online from now on."""
        self._add(tx, name, None, None, now)
        tx.execute(self._sql.beat, {"name": name, "now": now})
        return self.get(tx, name)

    def online(self, tx: Transaction, name: str, user: str | None, message: str | None, now: int) -> None:
        """Have it take jobs. One that nobody knew is made."""
        if not self._add(tx, name, user, message, now):
            self._change(tx, name, MachineState.ONLINE)
            self._event(tx, "online", name, user, now, message=message)

    def offline(
        self, tx: Transaction, name: str, reason: OfflineReason, user: str | None, message: str | None, now: int
    ) -> None:
        """Have it take no jobs. What foreign runners have there goes stale, unless they go on."""
        self._change(tx, name, MachineState.OFFLINE, reason)
        self._event(tx, "offline", name, user, now, reason=reason.value, message=message)

    def quiesce(self, tx: Transaction, name: str, user: str | None, message: str | None, now: int) -> None:
        """Have it take nothing new; `retire` takes it off when it has no jobs."""
        self._change(tx, name, MachineState.QUIESCING)
        self._event(tx, "quiesce", name, user, now, message=message)

    def retire(self, tx: Transaction, name: str, now: int) -> bool:
        """Take a quiescing machine without jobs off; whether it was one."""
        machine = self.find(tx, name)
        if machine is None or machine.state is not MachineState.QUIESCING or self.jobs(tx, name):
            return False
        if self.lock(tx, name).state is not MachineState.QUIESCING:
            return False
        self.offline(tx, name, OfflineReason.QUIESCED, None, None, now)
        return True

    def beat(self, tx: Transaction, name: str, now: int) -> None:
        tx.execute(self._sql.beat, {"name": name, "now": now})

    def jobs(self, tx: Transaction, name: str) -> list[JobRow]:
        """What runs there, for foreign runners and for workers of ours, in the order of the starts."""
        return [JobRow(*row) for row in tx.fetch(self._sql.jobs, {"name": name})]

    def count_held(self, tx: Transaction, name: str) -> int:
        """How many jobs foreign runners have there."""
        count: int = tx.fetch(self._sql.held, {"name": name})[0][0]
        return count

    def best(self, tx: Transaction, queues: Iterable[str]) -> int | None:
        """The id of the job that a foreign runner gets next of these queues, in claim order across all of them."""
        rows = [row for queue in queues for row in tx.fetch(self._sql.offered, {"queue": queue})]
        return min(rows)[1] if rows else None

    def offering(self, tx: Transaction, now: int) -> set[str]:
        """The queues that have a job for a foreign runner: a look that takes nothing."""
        return {queue for (queue,) in tx.fetch(self._sql.offering, {"now": now})}

    def start(self, tx: Transaction, id: int, machine: str, now: int) -> JobRow | None:
        """Give a scheduled or queued job to a machine: it runs, and its epoch rises. None: it is neither."""
        rows = tx.fetch(self._sql.start, {"id": id, "machine": machine, "now": now})
        return JobRow(*rows[0]) if rows else None

    def any_stale(self, tx: Transaction, before: int) -> bool:
        """Whether `stale` finds something: a look that locks nothing."""
        return bool(tx.fetch(self._sql.any_stale, {"before": before})[0][0])

    def stale(self, tx: Transaction, before: int) -> list[JobRow]:
        """What foreign runners hold and whose last heartbeat was before this instant."""
        return [JobRow(*row) for row in tx.fetch(self._sql.stale, {"before": before})]

    def _add(self, tx: Transaction, name: str, user: str | None, message: str | None, now: int) -> bool:
        added = tx.fetch(self._sql.add, {"name": name, "state": MachineState.ONLINE.value, "now": now})
        if added:
            self._event(tx, "online", name, user, now, message=message)
        return bool(added)

    def _change(self, tx: Transaction, name: str, after: MachineState, reason: OfflineReason | None = None) -> None:
        check_machine(name, self.lock(tx, name).state, after)
        tx.execute(self._sql.change, {"name": name, "state": after.value, "reason": reason and reason.value})

    def _event(self, tx: Transaction, kind: str, name: str, user: str | None, now: int, **data: str | None) -> None:
        said = {key: value for key, value in data.items() if value}
        self._events.add(tx, kind, now, user=user, machine=name, data=said)


def _machine(row: Row) -> MachineRow:
    name, state, reason, *rest = row
    return MachineRow(name, MachineState(state), OfflineReason(reason) if reason else None, *rest)


def _known(machine: MachineRow | None, name: str) -> MachineRow:
    if machine is None:
        msg = f"there is no machine {name!r}; `jobyard machine list` shows those that are known"
        raise UnknownMachine(msg)
    return machine
