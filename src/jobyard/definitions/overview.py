"""All definitions at once, for listings: a handful of statements, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache

import msgspec

from jobyard.definitions.definition import Definition, Home
from jobyard.model.definition import ResultStatus, result_of
from jobyard.model.graph import outdated
from jobyard.model.instants import from_micros
from jobyard.model.states import STATUSES
from jobyard.store import Store
from jobyard.store.definitions import RunRow

__all__ = ["Overview", "RunSummary", "overview"]


class RunSummary(msgspec.Struct, gc=False):
    """A run of a definition, in short. A listing may have 100,000 of them: nothing is made before it is read."""

    _row: RunRow

    @property
    def job(self) -> int:
        return self._row.id

    @property
    def status(self) -> ResultStatus:
        said = _said(self._row.options).result_status if self._row.options else None
        return _result(self._row.status, said)

    @property
    def started_at(self) -> datetime:
        return from_micros(self._row.started_at)

    @property
    def ended_at(self) -> datetime:
        return from_micros(self._row.ended_at)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self._row.ended_at - self._row.started_at) / 1_000_000


@dataclass(frozen=True, slots=True)
class Overview:
    """A definition and what a listing says of it."""

    definition: Definition
    status: str
    """As `Definition.status`."""
    outdated: bool | None
    running: bool
    job: int | None
    """The unfinished job of its recurrence."""
    next_due: datetime | None
    runs: tuple[RunSummary, ...]
    """The newest, oldest first."""


class _Said(msgspec.Struct):
    """What concerns a listing of the options of a job."""

    result_status: str | None = None


_said = msgspec.json.Decoder(_Said).decode


@cache
def _result(code: int, said: str | None) -> ResultStatus:
    return result_of(STATUSES[code], said)


def overview(store: Store, home: Home, runs: int) -> list[Overview]:
    """The overviews of all definitions, in the order in which they came."""
    with store.read() as tx:
        rows = store.definitions.all(tx)
        edges = store.definitions.dependencies(tx)
        holders = store.definitions.holders(tx)
        recent = store.definitions.recent(tx, runs)
        running = store.definitions.running(tx)
    old = outdated(edges, {row.name: row.last_build_at for row in rows}, [row.name for row in rows])
    found = []
    for row in rows:
        holder, newest = holders.get(row.name), recent.get(row.name, ())
        status = "outdated" if old[row.name] else "success"
        if row.last_build is None:
            status = "failed" if newest else "not_built"
        found.append(
            Overview(
                definition=Definition(row, home),
                status=status,
                outdated=old[row.name],
                running=row.name in running,
                job=holder.id if holder else None,
                next_due=from_micros(holder.due) if holder else None,
                runs=tuple(map(RunSummary, newest)),
            )
        )
    return found
