"""The table of queues that somebody paused, drained or gave options; any other name is a queue with the defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from jobyard.model.retry import Retry
from jobyard.store.driver import Row, Transaction
from jobyard.store.sql import Statements

__all__ = ["Queue", "Queues", "queue_of"]


class Queue(msgspec.Struct, frozen=True):
    """What is known of a queue. None: not said. `timeout` and `aging` are seconds."""

    name: str
    paused: bool = False
    drained: bool = False
    priority: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    aging: float | None = None


def queue_of(row: Row) -> Queue:
    name, paused, drained, priority, retry, timeout, aging = row
    policy = msgspec.json.decode(retry, type=Retry) if retry else None
    return Queue(name, bool(paused), bool(drained), priority, policy, timeout, aging)


class _Coming(Mapping[str, Queue]):
    """The queues, whose rows are waited for when one is looked up."""

    def __init__(self, rows: Callable[[], list[Row]]) -> None:
        self._rows = rows

    @cached_property
    def _queues(self) -> dict[str, Queue]:
        return {row[0]: queue_of(row) for row in self._rows()}

    def __getitem__(self, name: str) -> Queue:
        return self._queues[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self._queues.get(name, default)  # looked up for each job

    def __iter__(self) -> Iterator[str]:
        return iter(self._queues)

    def __len__(self) -> int:
        return len(self._queues)


class Queues:
    """Reads and writes queues within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self.sql = sql

    def all(self, tx: Transaction) -> Mapping[str, Queue]:
        return _Coming(tx.ask(self.sql.list))

    def get(self, tx: Transaction, name: str) -> Queue:
        """The queue; one with the defaults if nothing is known of the name."""
        rows = tx.fetch(self.sql.get, {"name": name})
        return queue_of(rows[0]) if rows else Queue(name)

    def change(self, tx: Transaction, name: str, **changes: Any) -> Queue:
        """Set some attributes of a queue and return it as it is now."""
        queue = msgspec.structs.replace(self.get(tx, name), **changes)
        values: dict[str, Any] = msgspec.structs.asdict(queue)
        values["retry"] = msgspec.json.encode(queue.retry).decode() if queue.retry else None
        values["paused"], values["drained"] = int(queue.paused), int(queue.drained)
        tx.execute(self.sql.put, values)
        return queue
