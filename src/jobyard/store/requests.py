"""What is asked of the worker that holds a job: to cancel it, to drop it, or for its stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jobyard.model.rows import JobRow
from jobyard.store.driver import Transaction
from jobyard.store.sql import Statements

__all__ = ["Request", "Requests"]


class Request(NamedTuple):
    """An open request. `kind` is ``cancel``, ``lost`` or ``stack``."""

    id: int
    kind: str
    job: int
    epoch: int


class Requests:
    """Reads and writes requests within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def ask(self, tx: Transaction, kind: str, row: JobRow, now: int) -> int:
        """Ask the worker of a held job; returns the request's id."""
        values = {"kind": kind, "job": row.id, "epoch": row.epoch, "worker": row.worker, "at": now}
        id: int = tx.fetch(self._sql.add, values)[0][0]
        return id

    def ask_open_for(self, tx: Transaction, worker: int) -> Callable[[], list[Request]]:
        """What is asked of a worker and not answered, in the order of the asking; not waited for."""
        rows = tx.ask(self._sql.open_for, {"worker": worker})
        return lambda: [Request(*row) for row in sorted(rows())]

    def answer(self, tx: Transaction, id: int, answer: str | None, now: int) -> None:
        tx.execute(self._sql.answer, {"id": id, "answer": answer, "now": now})

    def answered(self, tx: Transaction, id: int) -> tuple[str | None, int | None]:
        """(answer, instant) of a request; the instant is None while it is open."""
        rows = tx.fetch(self._sql.get, {"id": id})
        return rows[0] if rows else (None, None)

    def keep_stack(self, tx: Transaction, row: JobRow, stack: str, now: int) -> None:
        """Store a stack that nobody asked for: of a run that passed its timeout."""
        values = {"kind": "stack", "job": row.id, "epoch": row.epoch, "worker": row.worker, "at": now}
        tx.execute(self._sql.add_answered, {**values, "answer": stack})

    def last_stack(self, tx: Transaction, job: int) -> str | None:
        """The newest stack that was taken of a job."""
        rows = tx.fetch(self._sql.last_stack, {"job": job})
        return rows[0][0] if rows else None
