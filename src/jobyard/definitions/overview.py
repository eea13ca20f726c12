"""All definitions at once, for listings: a handful of statements, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobyard.definitions.definition import Definition, Home
from jobyard.model.definition import ResultStatus, result_of
from jobyard.model.graph import outdated
from jobyard.model.instants import from_micros
from jobyard.model.newjob import options_of
from jobyard.model.states import STATUSES
from jobyard.store import Store
from jobyard.store.definitions import RunRow

__all__ = ["Overview", "RunSummary", "overview"]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run of a definition, in short."""

    job: int
    status: ResultStatus
    started_at: datetime
    ended_at: datetime


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
                runs=tuple(map(_summary, newest)),
            )
        )
    return found


def _summary(run: RunRow) -> RunSummary:
    said = options_of(run.options).result_status if run.options else None
    status = result_of(STATUSES[run.status], said)
    return RunSummary(run.id, status, from_micros(run.started_at), from_micros(run.ended_at))
