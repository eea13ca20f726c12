"""The log lines of builds, across builds: finding them and thinning them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jobyard.store.driver import Transaction
from jobyard.store.filters import Where, is_storable
from jobyard.store.jobs import json_text
from jobyard.store.prune import log_ages
from jobyard.store.sql import Statements

__all__ = ["LineRow", "LogFilter", "find_lines", "prune_lines"]

_OF_BUILDS = "job in (select job from main.builds)"
_OF_ONE = "job in (select job from main.builds where definition = :definition)"
_OLD = (
    "((level <= 10 and at < :debug) or (level > 10 and level <= 20 and at < :info) "
    "or (level > 20 and level <= 30 and at < :warning) or (level > 30 and at < :error))"
)


class LineRow(NamedTuple):
    """A line of a log. `data` is the JSON of the rest."""

    job: int
    serial: int
    op: int
    at: int
    level: int
    logger: str
    message: str
    traceback: str | None
    data: str | None
    id: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines; None leaves a condition out. since <= at < until; the ids are above `after`."""

    build: int | None = None
    definition: str | None = None
    since: int | None = None
    until: int | None = None
    min_level: int | None = None
    max_level: int | None = None
    after: int | None = None

    @property
    def is_empty(self) -> bool:
        return self == _EVERYTHING


_EVERYTHING = LogFilter()


def find_lines(tx: Transaction, filter: LogFilter, limit: int) -> list[LineRow]:
    """The lines that fit, by id."""
    where = _where(filter)
    sql = f"select job, serial, op, at, level, logger, message, traceback, data, id from main.log{where} order by id"  # noqa: S608 - names of ours
    return [LineRow(*row) for row in tx.fetch(where.limited(sql, limit), where.params)]


def prune_lines(
    tx: Transaction, builds: Statements, filter: LogFilter, limit: int, *, old_at: int | None = None
) -> int:
    """
    Delete some of the lines that fit; returns how many.

    Args:
        builds: the statements of that noun.
        filter: which lines.
        limit: how many at most.
        old_at: only those that are too old for their level at this instant.
    """
    where = _where(filter)
    if old_at is not None:
        where.add(_OLD, log_ages(old_at))
    some = where.limited(f"select id from main.log{where} order by id", limit)  # noqa: S608 - names of ours
    gone = tx.fetch(f"delete from main.log where id in ({some}) returning job", where.params)  # noqa: S608 - the same
    if gone:
        tx.execute(builds.mark_pruned, {"jobs": json_text(sorted({job for (job,) in gone}))})
    return len(gone)


def _where(filter: LogFilter) -> Where:
    where = Where()
    where.number("job", filter.build)
    if filter.definition is None:
        where.add(_OF_BUILDS, {})
    elif is_storable(filter.definition):
        where.add(_OF_ONE, {"definition": filter.definition})
    else:
        where.nothing()
    where.at_least("at", filter.since)
    where.below("at", filter.until)
    where.at_least("level", filter.min_level)
    if filter.max_level is not None:
        where.add("level <= :max_level", {"max_level": filter.max_level})
    where.above("id", filter.after)
    return where
