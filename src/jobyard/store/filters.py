"""The conditions of the listings, built from values: parameters only, and column names that are written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from jobyard.model.rows import JobRow
from jobyard.model.states import CODES, Status
from jobyard.model.text import escape
from jobyard.store.driver import Params, Transaction
from jobyard.store.jobs import LARGEST, as_read

__all__ = ["JobFilter", "Where", "count_jobs", "find_jobs", "is_storable", "jobs_of"]

_SCHEDULED = CODES["scheduled"]


class Where:
    """A conjunction of conditions and its parameters; its text is empty or begins with ``where``."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.params: dict[str, Any] = {}

    def add(self, condition: str, params: Params) -> None:
        self._conditions.append(condition)
        self.params.update(params)

    def equal(self, column: str, value: Any) -> None:
        if value is not None:
            self.add(f'"{column}" = :{column}', {column: value})

    def number(self, column: str, value: int | None) -> None:
        """Like `equal`; a number that no database knows is nowhere."""
        if value is not None and abs(value) > LARGEST:
            self.nothing()
        else:
            self.equal(column, value)

    def text(self, column: str, value: str | None) -> None:
        """Like `equal`; a text that no database can hold is nowhere."""
        if value is not None and not is_storable(value):
            self.nothing()
        else:
            self.equal(column, value)

    def nothing(self) -> None:
        """Let no row fit."""
        self.add("1 = 0", {})

    def among(self, column: str, values: Sequence[Any] | None) -> None:
        if values is not None:
            self.add(*_one_of(column, values))

    def at_least(self, column: str, value: Any) -> None:
        if value is not None:
            self.add(f"{column} >= :{column}_from", {f"{column}_from": value})

    def above(self, column: str, value: Any) -> None:
        if value is not None:
            self.add(f"{column} > :{column}_above", {f"{column}_above": value})

    def below(self, column: str, value: Any) -> None:
        if value is not None:
            self.add(f"{column} < :{column}_to", {f"{column}_to": value})

    def limited(self, sql: str, limit: int | None) -> str:
        if limit is None:
            return sql
        self.params["limit"] = limit
        return f"{sql} limit :limit"

    def __str__(self) -> str:
        return f" where {' and '.join(self._conditions)}" if self._conditions else ""


def is_storable(text: str) -> bool:
    """Whether databases can hold a text as it is, see `escape`."""
    return escape(text) == text


class JobFilter(msgspec.Struct, frozen=True):
    """
    Which jobs, in which order; None leaves a condition out.

    Instants are microseconds; since <= received_at < until.
    """

    statuses: tuple[Status, ...] | None = None
    queues: tuple[str, ...] | None = None
    tasks: tuple[str, ...] | None = None
    definition: str | None = None
    requester: str | None = None
    since: int | None = None
    until: int | None = None
    newest_first: bool = True
    limit: int | None = 100


def _where(filter: JobFilter, now: int) -> Where:
    where = Where()
    if filter.statuses is not None:
        _add_statuses(where, filter.statuses, now)
    where.among("queue", filter.queues)
    where.among("task", filter.tasks)
    if filter.definition is not None:
        where.params["of"] = filter.definition
    where.equal("requester", filter.requester)
    where.at_least("received_at", filter.since)
    where.below("received_at", filter.until)
    return where


def _add_statuses(where: Where, statuses: Sequence[Status], now: int) -> None:
    """A scheduled job whose due has come counts as queued."""
    codes = {CODES[status] for status in statuses}
    plain, params = _one_of("status", sorted(codes - {_SCHEDULED}))
    if Status.SCHEDULED in statuses and Status.QUEUED not in statuses:
        where.add(f"({plain} or (status = 0 and due > :due))", {**params, "due": now})
    elif Status.QUEUED in statuses and Status.SCHEDULED not in statuses:
        where.add(f"({plain} or (status = 0 and due <= :due))", {**params, "due": now})
    else:
        where.add(*_one_of("status", sorted(codes)))


def _one_of(column: str, values: Sequence[Any]) -> tuple[str, Params]:
    """The condition that a column has one of these values: a parameter for each, which every database understands."""
    params = {f"{column}_{number}": value for number, value in enumerate(values)}
    return f"{column} in ({', '.join(f':{name}' for name in params)})" if params else "1 = 0", params


def jobs_of(definition: str | None) -> str:
    """Where rows of jobs come from: all of them, or the builds of a definition, the parameter ``of``."""
    if definition is None:
        return "main.jobs"
    return "(select job from main.builds where definition = :of) as build join main.jobs on jobs.id = build.job"


def find_jobs(tx: Transaction, filter: JobFilter, now: int) -> list[JobRow]:
    """The rows that fit, as people see them."""
    where = _where(filter, now)
    order = "id" if filter.definition is None else "build.job"  # by which its index gives them
    down = " desc" if filter.newest_first else ""
    sql = f"select jobs.* from {jobs_of(filter.definition)}{where} order by {order}{down}"  # noqa: S608 - names of ours
    return [as_read(JobRow(*row), now) for row in tx.fetch(where.limited(sql, filter.limit), where.params)]


_GROUPS = {
    "queue": "queue",
    "status": "case when status = 0 and due <= :now then 1 else status end",
    "task": "task",
    "definition": "definition",
    "requester": "requester",
    "priority": "priority",
}


def count_jobs(tx: Transaction, by: Sequence[str], filter: JobFilter, now: int) -> list[tuple[Any, ...]]:
    """(group values..., count) for each group; status as its code."""
    where = _where(filter, now)
    where.params["now"] = now
    columns = ", ".join(_GROUPS[name] for name in by)
    if not by:
        return tx.fetch(f"select count(*) from {jobs_of(filter.definition)}{where}", where.params)  # noqa: S608 - names of ours
    numbers = ", ".join(str(n) for n in range(1, len(by) + 1))
    return tx.fetch(
        f"select {columns}, count(*) from {jobs_of(filter.definition)}{where} group by {numbers} order by {numbers}",  # noqa: S608 - names of ours
        where.params,
    )
