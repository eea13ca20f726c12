"""The table of workers. A worker's row is one incarnation: once ended or lost it never comes back to life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from jobyard.model.machine import MachineState
from jobyard.store.driver import Row, Transaction
from jobyard.store.jobs import json_text
from jobyard.store.sql import Statements

__all__ = ["WorkerRow", "Workers"]


class WorkerRow(NamedTuple):
    """One incarnation of a worker. `queues` is None for all; `state` is running, stopping, stopped or lost."""

    id: int
    name: str
    machine: str
    pid: int
    queues: list[str] | None
    tasks: list[str]
    concurrency: int
    processes: int
    started_at: int
    heartbeat: int
    state: str
    ended_at: int | None


class Workers:
    """Reads and writes workers within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def add(
        self,
        tx: Transaction,
        *,
        name: str,
        machine: str,
        pid: int,
        queues: Sequence[str] | None,
        tasks: Sequence[str],
        concurrency: int,
        processes: int,
        now: int,
    ) -> int:
        """Register a worker; returns the id of this incarnation."""
        values = {"name": name, "machine": machine, "pid": pid, "concurrency": concurrency, "processes": processes}
        lists = {"queues": None if queues is None else json_text(list(queues)), "tasks": json_text(list(tasks))}
        id: int = tx.fetch(self._sql.add, {**values, **lists, "now": now})[0][0]
        return id

    def beat(self, tx: Transaction, id: int, state: str, now: int) -> bool:
        """Renew the heartbeat. False: this incarnation was declared lost."""
        return tx.execute(self._sql.beat, {"id": id, "state": state, "now": now}) == 1

    def ask_hold(self, tx: Transaction, id: int) -> Callable[[], tuple[bool, MachineState | None]]:
        """
        Hold an incarnation; not waited for.

        Returns:
            Whether it is alive, as it then stays until the transaction ends, and the state of its machine, if known.
        """
        rows = tx.ask(self._sql.hold, {"id": id})

        def held() -> tuple[bool, MachineState | None]:
            states = [state for (state,) in rows()]
            return bool(states), MachineState(states[0]) if any(states) else None

        return held

    def end(self, tx: Transaction, id: int, state: str, now: int, *, before: int | None = None) -> bool:
        """
        Close an incarnation as ``stopped`` or ``lost``.

        Returns:
            False: it was closed already, or, with *before*, has been heard of at or after that instant.
        """
        return tx.execute(self._sql.end, {"id": id, "state": state, "now": now, "before": before}) == 1

    def lost(self, tx: Transaction, before: int) -> list[WorkerRow]:
        """Those whose last heartbeat was before this instant."""
        return [_worker(row) for row in tx.fetch(self._sql.lost, {"before": before})]

    def alive(self, tx: Transaction) -> list[WorkerRow]:
        return [_worker(row) for row in tx.fetch(self._sql.alive)]

    def all(self, tx: Transaction) -> list[WorkerRow]:
        return [_worker(row) for row in tx.fetch(self._sql.list)]

    def get(self, tx: Transaction, id: int | None) -> WorkerRow | None:
        rows = tx.fetch(self._sql.get, {"id": id}) if id is not None else []
        return _worker(rows[0]) if rows else None


def _worker(row: Row) -> WorkerRow:
    id, name, machine, pid, queues, tasks, *rest = row
    return WorkerRow(id, name, machine, pid, _names(queues), _names(tasks) or [], *rest)


def _names(text: str | None) -> list[str] | None:
    return msgspec.json.decode(text, type=list[str]) if text is not None else None
