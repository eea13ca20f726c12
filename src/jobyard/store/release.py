"""
What the end of jobs does to those that wait for them, in the transaction that ends them.

An accepted end lowers the dependant's counter of open parents, and the last one makes it ready; a worker that would
claim it next does so at once. Any other end finishes the dependant too: canceled after a canceled parent, else failed;
and so on, in a cascade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from jobyard.model.faults import called, cascade_fault, dependency_fault
from jobyard.model.newjob import accepted_statuses
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES, STATUSES, Status, check_transition
from jobyard.store.plans import Plan, Queries, Query
from jobyard.store.sql import Statements

__all__ = ["Claim", "Released", "Releaser", "end"]

_WAITING = CODES["waiting"]
_SUSPENDED = CODES["suspended"]


class Claim(NamedTuple):
    """
    What a worker would claim next: of these tasks (JSON list of names) in this queue, so many.

    Jobs that become ready while no other is are claimed with their release: one version of their rows less, and no
    entry in the indexes of ready jobs.
    """

    worker: int
    queue: str
    tasks: str
    limit: int


class Released(msgspec.Struct):
    """What a release did: whether a job may be ready now, and the jobs that ended with their parents."""

    ready: bool = False
    claimed: list[JobRow] = msgspec.field(default_factory=list)
    ended: list[JobRow] = msgspec.field(default_factory=list)
    causes: dict[int, str] = msgspec.field(default_factory=dict)
    """Of those, the job whose end was the first of the cascade, in words."""


class Releaser:
    """Makes plans that tell dependants of the ends of their parents."""

    def __init__(self, jobs: Statements, dependencies: Statements) -> None:
        self._jobs = jobs
        self._dependencies = dependencies

    def release(self, ended: Mapping[int, int], now: int, claim: Claim | None = None) -> Plan[Released]:
        """
        Tell the dependants of *ended* (id to final status code).

        Cost is linear in the number of open edges, each of which is seen once.

        Args:
            claim: what may be claimed at once, if all have ended alike.
        """
        done = Released()
        while ended:
            parents = [{"ids": _text(ids), "status": status} for status, ids in _by_status(ended).items()]
            at_once, claim = claim if len(parents) == 1 else None, None
            if at_once is not None:
                values = {**parents[0], "now": now, **at_once._asdict()}
                release = [Query(self._dependencies.release_and_claim, values)]
            else:
                release = [Query(self._dependencies.release, {**each, "now": now}) for each in parents]
            refuse = [Query(self._dependencies.refuse, each) for each in parents]
            answers = yield Queries([*release, *refuse])
            if at_once is not None:
                done.claimed = [JobRow(*row) for row in answers[0]]
                done.ready = True  # it says nothing of those that it did not claim
            else:
                done.ready = done.ready or any(released > 0 for [[released]] in answers[: len(release)])
            refused = [row for rows in answers[len(release) :] for row in rows]
            broken = {child: (parent, accepted) for parent, child, accepted in refused}
            ended = yield from self._break(broken, ended, now, done)
        return done

    def _break(
        self, broken: Mapping[int, tuple[int, int]], ended: Mapping[int, int], now: int, done: Released
    ) -> Plan[dict[int, int]]:
        """End the children whose parent ended as they do not accept; return them as the next to release."""
        if not broken:
            return {}
        names = yield from self._names({parent for parent, _ in broken.values()})
        rows = yield Query(self._jobs.lock_many, {"ids": _text(sorted(broken))})
        after: dict[int, int] = {}
        for row in (JobRow(*row) for row in rows):
            parent, accepted = broken[row.id]
            if row.status == _SUSPENDED and ended[parent] != CODES["canceled"]:
                # A suspended job cannot fail; `resume` looks at the edge again.
                yield Query(self._dependencies.set_open, {"parent": parent, "child": row.id, "open": 1})
            elif row.status in (_WAITING, _SUSPENDED):
                _end_with_parent(row, parent, ended[parent], accepted, now, names.get(parent), done.causes.get(parent))
                done.causes[row.id] = done.causes.get(parent) or called(parent, names.get(parent))
                yield Query(self._jobs.change, msgspec.structs.asdict(row))
                done.ended.append(row)
                after[row.id] = row.status
        return after

    def _names(self, ids: Iterable[int]) -> Plan[dict[int, str]]:
        """By what people know these jobs: their definition, else their task."""
        rows = yield Query(self._jobs.get_many, {"ids": _text(sorted(ids))})
        return {row.id: row.definition or row.task for row in (JobRow(*row) for row in rows)}


def _end_with_parent(
    row: JobRow, parent: int, ended: int, accepted: int, now: int, name: str | None, cause: str | None
) -> None:
    status = Status.CANCELED if STATUSES[ended] is Status.CANCELED else Status.FAILED
    check_transition(STATUSES[row.status], status, what=f"job {row.id}")
    if status is Status.CANCELED:
        row.error = cascade_fault(parent, name, cause)
    else:
        row.error = dependency_fault(parent, name, STATUSES[ended], accepted_statuses(accepted), cause)
    end(row, status, now)


def end(row: JobRow, status: Status, now: int) -> None:
    """Give a row that nobody holds a final status."""
    row.status = CODES[status]
    row.ended_at = now
    row.open_parents = 0
    row.epoch += 1
    if not row.unique_until:
        row.unique_key = None


def _by_status(ended: Mapping[int, int]) -> dict[int, list[int]]:
    """The ids of each final status, in order."""
    found: dict[int, list[int]] = {}
    for id in sorted(ended):
        found.setdefault(ended[id], []).append(id)
    return found


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
