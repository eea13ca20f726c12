"""The table of definitions: what they are, what became of their runs, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from jobyard.errors import UnknownDefinition
from jobyard.model.definition import DefinitionRow
from jobyard.model.rows import JobRow
from jobyard.store.driver import Row, Transaction
from jobyard.store.sql import Statements

__all__ = ["Definitions", "Holder", "RunRow"]

_encode = msgspec.json.Encoder().encode


class Holder(NamedTuple):
    """The one unfinished job of a recurrence."""

    id: int
    status: int
    due: int


class RunRow(msgspec.Struct, array_like=True, gc=False):
    """What a listing shows of a run. `status` is a code; `options` has its result status, if any."""

    id: int
    status: int
    options: str | None
    started_at: int
    ended_at: int


_decode_runs = msgspec.json.Decoder(list[RunRow]).decode
_id = attrgetter("id")


class Definitions:
    """Reads and writes definitions within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self.sql = sql

    def all(self, tx: Transaction) -> list[DefinitionRow]:
        """All of them, in the order in which they came."""
        return [DefinitionRow(*row) for row in tx.fetch(self.sql.list)]

    def get(self, tx: Transaction, name: str) -> DefinitionRow:
        """Raises `UnknownDefinition`."""
        return self._found(tx.fetch(self.sql.get, {"name": name}), name)

    def lock(self, tx: Transaction, name: str) -> DefinitionRow:
        """The same, held until the end of the transaction. Raises `UnknownDefinition`."""
        return self._found(tx.fetch(self.sql.lock, {"names": _text([name])}), name)

    def get_many(self, tx: Transaction, names: Iterable[str]) -> dict[str, DefinitionRow]:
        """Those of these that exist, by name."""
        rows = tx.fetch(self.sql.get_many, {"names": _text(list(names))})
        return {row[0]: DefinitionRow(*row) for row in rows}

    def last_position(self, tx: Transaction) -> int:
        position: int = tx.fetch(self.sql.last_position)[0][0]
        return position

    def insert(self, tx: Transaction, rows: Sequence[DefinitionRow]) -> None:
        """Add definitions with the edges to their dependencies."""
        tx.execute_many(self.sql.insert, [msgspec.structs.astuple(row) for row in rows])
        self._add_edges(tx, rows)

    def change(self, tx: Transaction, rows: Sequence[DefinitionRow], *, edges: bool = False) -> None:
        """Write rows that were read in this same transaction; with *edges* their dependencies too."""
        for row in rows:
            tx.execute(self.sql.change, {field: getattr(row, field) for field in _CHANGES})
        if edges and rows:
            tx.execute(self.sql.delete_dependencies, {"names": _text([row.name for row in rows])})
            self._add_edges(tx, rows)

    def delete(self, tx: Transaction, name: str) -> None:
        tx.execute(self.sql.delete, {"name": name})
        tx.execute(self.sql.delete_dependencies, {"names": _text([name])})

    def dependencies(self, tx: Transaction) -> dict[str, list[str]]:
        """The direct dependencies of all definitions that have some, in the order in which each names them."""
        found: dict[str, list[str]] = {}
        for definition, dependency in tx.fetch(self.sql.dependencies):
            found.setdefault(definition, []).append(dependency)
        return found

    def holders(self, tx: Transaction) -> dict[str, Holder]:
        """The unfinished job of each recurrence, by definition."""
        return {name: Holder(*rest) for name, *rest in tx.fetch(self.sql.holders)}

    def runs(self, tx: Transaction, name: str, limit: int) -> list[tuple[str | None, JobRow]]:
        """(machine, job) of the newest runs of one definition, newest first."""
        rows = tx.fetch(self.sql.runs, {"name": name, "limit": limit})
        return [(machine, JobRow(*values)) for machine, *values in rows]

    def recent(self, tx: Transaction, limit: int) -> dict[str, list[RunRow]]:
        """The newest runs of each definition, oldest first."""
        rows = tx.fetch(self.sql.recent, {"limit": limit})
        return {name: sorted(_decode_runs(runs), key=_id) for name, runs in rows if runs is not None}

    def running(self, tx: Transaction) -> set[str]:
        """The definitions of which a job runs."""
        return {name for (name,) in tx.fetch(self.sql.running)}

    def _add_edges(self, tx: Transaction, rows: Iterable[DefinitionRow]) -> None:
        edges = [
            (row.name, dependency, position)
            for row in rows
            for position, dependency in enumerate(row.recipe.dependencies)
        ]
        if edges:
            tx.execute_many(self.sql.add_dependency, edges)

    def _found(self, rows: Sequence[Row], name: str) -> DefinitionRow:
        if not rows:
            msg = f"there is no definition {name!r}"
            raise UnknownDefinition(msg)
        return DefinitionRow(*rows[0])


_CHANGES = (
    "state", "task", "recurring", "keep", "options", "failures", "failing_since", "last_started", "last_successful",
    "last_build", "last_build_at", "changed_at", "name",
)  # fmt: skip


def _text(value: object) -> str:
    return _encode(value).decode()
