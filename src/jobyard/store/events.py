"""The audit trail: append-only, written in the transaction of what it records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jobyard.model.audit import Event
from jobyard.model.instants import from_micros
from jobyard.store.driver import Row, Transaction
from jobyard.store.filters import Where
from jobyard.store.sql import Statements

__all__ = ["EventFilter", "Events"]


class EventFilter(msgspec.Struct, frozen=True):
    """Which events; None leaves a condition out. `since` is in microseconds; `after` is an event's id."""

    kind: str | None = None
    job: int | None = None
    definition: str | None = None
    machine: str | None = None
    user: str | None = None
    since: int | None = None
    after: int | None = None
    limit: int | None = 100


class Events:
    """Reads and writes events within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def add(
        self,
        tx: Transaction,
        kind: str,
        at: int,
        *,
        user: str | None = None,
        job: int | None = None,
        definition: str | None = None,
        machine: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        text = msgspec.json.encode(data).decode() if data else None
        tx.execute_many(self._sql.add, [(at, kind, user, job, definition, machine, text)])

    def find(self, tx: Transaction, filter: EventFilter) -> list[Event]:
        """The events, newest first; with `after`, oldest first."""
        where = Where()
        for column in ("kind", "definition", "machine", "user"):
            where.text(column, getattr(filter, column))
        where.number("job", filter.job)
        where.at_least("at", filter.since)
        where.above("id", filter.after)
        order = "id" if filter.after is not None else "id desc"
        sql = f'select id, at, kind, "user", job, definition, machine, data from main.events{where} order by {order}'  # noqa: S608 - names of ours
        return [_event(row) for row in tx.fetch(where.limited(sql, filter.limit), where.params)]


def _event(row: Row) -> Event:
    id, at, kind, user, job, definition, machine, data = row
    return Event(
        id=id,
        kind=kind,
        at=from_micros(at),
        user=user,
        job=job,
        definition=definition,
        machine=machine,
        data=msgspec.json.decode(data) if data else {},
    )
