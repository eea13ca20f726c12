"""
Builds that are made, started and ended by hand.

They are jobs like any other: the rows of `jobs`, with what they were made of in `builds`. One that is started by hand
has an epoch and no worker, so nobody takes it back, unless it has a heartbeat timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from jobyard.errors import BadArguments, InvalidTransition, MissingDependencies, PreconditionFailed, UnknownJob
from jobyard.model.definition import DefinitionRow, recurrence_key
from jobyard.model.messages import Ended, LogLine, Outcome, ProgressReport
from jobyard.model.newjob import SUCCESS, JobOptions, NewJob, options_of
from jobyard.model.outcome import Decision
from jobyard.model.references import Ref
from jobyard.model.rows import JobRow
from jobyard.model.states import CODES, FINAL, HELD, STATUSES, Status, check_transition
from jobyard.store.definitions import Definitions
from jobyard.store.driver import Transaction
from jobyard.store.events import Events
from jobyard.store.filters import Where, is_storable, jobs_of
from jobyard.store.jobs import LARGEST, Jobs, as_read, json_text
from jobyard.store.plans import run
from jobyard.store.prune import delete_jobs
from jobyard.store.queues import Queues
from jobyard.store.records import Records
from jobyard.store.settle import Settled, Settlement, settle
from jobyard.store.sql import Statements

__all__ = ["BuildDetails", "BuildFilter", "Builds", "NewBuild", "check_build", "check_dependency"]

_ENDED = {Status.SUCCEEDED: Ended.RETURNED, Status.SKIPPED: Ended.SKIPPED, Status.FAILED: Ended.RAISED}
_HELD_BACK = "held until start_build starts it, or resume gives it to the workers"


@dataclass(slots=True)
class NewBuild:
    """
    A build that is not stored yet.

    The references of its job are to definitions, by name. `pins` says of some dependencies which build to take; None
    stands for a new one. `recipe` and `config` are texts: of the definition it is made of, or what was given instead.
    """

    job: NewJob
    dependencies: tuple[str, ...] = ()
    pins: Mapping[str, int | None] = field(default_factory=dict)
    recipe: str | None = None
    config: str | None = None
    cleanup: str | None = None


class BuildDetails(NamedTuple):
    """What a build was made of, and what its clean-up has raised."""

    recipe: str | None = None
    config: str | None = None
    dependency_builds: Mapping[str, int] | None = None
    cleanup_error: str | None = None


@dataclass(frozen=True, slots=True)
class BuildFilter:
    """Which builds of a definition, in the order of their making; None leaves a condition out."""

    definition: str
    started: bool | None = None
    finished: bool | None = None
    success: bool | None = None
    skipped: bool | None = None
    newest_first: bool = False
    limit: int | None = None
    beyond: int | None = None
    """Behind the build with this id."""


_CONDITIONS = {
    "started": "attempt > 0",
    "finished": "status >= 6",
    "success": "status in (6, 8)",
    "skipped": "status = 8",
}


class Builds:
    """Reads and writes builds within a transaction."""

    def __init__(
        self,
        sql: Statements,
        dialect: str,
        jobs: Jobs,
        definitions: Definitions,
        queues: Queues,
        records: Records,
        events: Events,
    ) -> None:
        self.sql = sql
        self._dialect = dialect
        self._jobs = jobs
        self._definitions = definitions
        self._queues = queues
        self._records = records
        self._events = events

    def create(
        self, tx: Transaction, build: NewBuild, plain: Callable[[str, DefinitionRow | None], NewBuild], now: int
    ) -> JobRow:
        """
        Store a build and those new ones that it asks for, all of them held.

        Args:
            build: what to store.
            plain: makes the build of a dependency, of its definition if there is one.
            now: the instant.

        Raises:
            MissingDependencies: one that is not pinned has no successful build, or the one it is pinned to failed.
            UnknownJob: it is pinned to a build that does not exist.
            BadArguments: it is pinned to a build of something else, or an argument is the result of no dependency.
        """
        taken = {name: self._dependency(tx, build, name, plain, now) for name in _wanted(build)}
        missing = [name for name, id in taken.items() if id is None]
        if missing:
            names = ", ".join(map(repr, missing))
            msg = f"no successful build of {names}, which {build.job.definition!r} depends on: pin None for a new one"
            raise MissingDependencies(msg)
        builds = {name: id for name, id in taken.items() if id is not None}
        _take(build.job, builds)
        [stored] = self._jobs.insert(tx, [build.job], now)
        self._hold_back(tx, stored.row)
        pins = json_text(builds) if builds else None
        tx.execute_many(
            self.sql.add, [(stored.row.id, build.job.definition, build.recipe, build.config, pins, build.cleanup)]
        )
        job = build.job
        self._events.add(tx, "request", now, user=job.requester, job=stored.row.id, definition=job.definition)
        return stored.row

    def new_of(self, tx: Transaction, name: str) -> DefinitionRow | None:
        """The definition of this name, if there is one."""
        return self._definitions.get_many(tx, [name]).get(name)

    def get(self, tx: Transaction, id: int) -> JobRow:
        """The row of a build. Raises `UnknownJob`, also for a job that is none."""
        return check_build(self._jobs.get(tx, id))

    def details(self, tx: Transaction, ids: Sequence[int]) -> dict[int, BuildDetails]:
        """What these builds were made of, by id."""
        rows = tx.fetch(self.sql.get_many, {"jobs": json_text(ids)})
        return {
            job: BuildDetails(recipe, config, _decode_pins(pins) if pins else None, cleanup_error)
            for job, recipe, config, pins, cleanup_error in rows
        }

    def latest(self, tx: Transaction, name: str) -> int | None:
        """The newest successful build of a definition."""
        rows = tx.fetch(self.sql.latest, {"definition": name})
        return rows[0][0] if rows else None

    def find(self, tx: Transaction, filter: BuildFilter) -> list[JobRow]:
        """The builds that fit."""
        if not is_storable(filter.definition):
            return []
        where = Where()
        where.params["of"] = filter.definition
        for name, condition in _CONDITIONS.items():
            wanted = getattr(filter, name)
            if wanted is not None:
                where.add(condition if wanted else f"not ({condition})", {})
        if filter.newest_first:
            where.below("id", filter.beyond)
        else:
            where.above("id", filter.beyond)
        order = "build.job desc" if filter.newest_first else "build.job"
        sql = f"select jobs.* from {jobs_of(filter.definition)}{where} order by {order}"  # noqa: S608 - names of ours
        return [JobRow(*row) for row in tx.fetch(where.limited(sql, filter.limit), where.params)]

    def start(self, tx: Transaction, id: int, user: str | None, now: int) -> JobRow:
        """
        Start a build for the caller.

        Raises:
            UnknownJob: there is none.
            InvalidTransition: it runs, has ended, or waits for another.
            MissingDependencies: a definition that it takes the result of has no successful build.
        """
        row = as_read(check_build(self._jobs.lock(tx, id, with_parents=True)), now)
        self._check_parents(tx, row)
        _begin(row, now)
        self._jobs.change(tx, row)
        missing = run(self._jobs.recurrence.started([row], now, user), tx).get(id)
        if missing:
            msg = f"build {id} cannot be started: there is no successful build of {', '.join(missing)}"
            raise MissingDependencies(msg)
        return row

    def finish(
        self,
        tx: Transaction,
        id: int,
        status: Status,
        *,
        result: str | None,
        error: str | None,
        user: str | None,
        now: int,
    ) -> Settlement:
        """
        End a build that the caller has; one that is not started is started first.

        Raises:
            UnknownJob: there is none.
            InvalidTransition: it has ended, or it is a worker or a machine that runs it.
        """
        row = check_build(self._jobs.lock(tx, id, with_parents=True))
        before = STATUSES[row.status]
        if before in FINAL:
            msg = f"build {id} is {before} and cannot be finished again"
            raise InvalidTransition(msg)
        if before not in HELD:
            row = self.start(tx, id, user, now)
        elif _is_elsewhere(row):
            msg = f"build {id} is {before} elsewhere: whoever runs it finishes it"
            raise InvalidTransition(msg)
        ended = _ENDED[status]
        if before is Status.CANCELING and status is Status.SKIPPED:
            status = Status.CANCELED
        item = Settled(
            row, Outcome(id, row.epoch, row.cursor, ended, result=result, error=error), Decision(status), user=user
        )
        return settle(tx, self._jobs, [item], self._queues.all(tx), "", now)

    def report(
        self, tx: Transaction, id: int, lines: Sequence[LogLine], progress: Sequence[ProgressReport], now: int
    ) -> None:
        """Store what somebody says of a build, whoever runs it and whether or not it runs. Raises `UnknownJob`."""
        known = abs(id) <= LARGEST
        rows = tx.fetch(self.sql.report, {"id": id, "lines": len(lines), "now": now}) if known else []
        if not rows:
            raise _unknown(id)
        serial, cursor = rows[0]
        for line in lines:
            line.op = cursor
        self._records.add(tx, id, serial - len(lines), lines, progress, now)

    def any_silent(self, tx: Transaction, now: int) -> bool:
        """Whether `silent` finds something: a look that locks nothing."""
        return bool(tx.fetch(self.sql.any_silent, {"now": now})[0][0])

    def silent(self, tx: Transaction, now: int) -> list[JobRow]:
        """Builds that are held by hand, have a heartbeat timeout, and have not been heard of for so long."""
        return [JobRow(*row) for row in tx.fetch(self.sql.silent, {"now": now})]

    def is_deletable(self, tx: Transaction, id: int) -> bool:
        """
        Whether there is such a build.

        Raises:
            PreconditionFailed: somebody else runs it, an unfinished job depends on it, or it is the unfinished job of a
                recurrence, which would end with it.
        """
        row = self._jobs.get_many(tx, [id]).get(id)
        if row is None or row.definition is None:
            return False
        if STATUSES[row.status] in HELD and _is_elsewhere(row):
            msg = f"build {id} is not deleted: it is {STATUSES[row.status]}; cancel it first"
            raise PreconditionFailed(msg)
        if STATUSES[row.status] not in FINAL and row.unique_key == recurrence_key(row.definition):
            what = f"the next run of definition {row.definition}"
            msg = f"build {id} is not deleted: it is {what}; pause that, or cancel it"
            raise PreconditionFailed(msg)
        needed = tx.fetch(self.sql.needed_by, {"job": id})
        if needed:
            msg = f"build {id} is not deleted: job {needed[0][0]} depends on it and has not ended"
            raise PreconditionFailed(msg)
        return True

    def delete(self, tx: Transaction, id: int) -> JobRow | None:
        """Delete a build with all that is its own, if there is one. Raises `PreconditionFailed` as `is_deletable`."""
        rows = tx.fetch(self._jobs.sql.lock, {"id": id})
        if not rows or not self.is_deletable(tx, id):
            return None
        row = JobRow(*rows[0])
        tx.execute(self.sql.forget_latest, {"definition": row.definition, "job": id})
        delete_jobs(tx, self._dialect, [id])
        return row

    def _dependency(
        self,
        tx: Transaction,
        build: NewBuild,
        name: str,
        plain: Callable[[str, DefinitionRow | None], NewBuild],
        now: int,
    ) -> int | None:
        """The build to take of a dependency; None: there is none."""
        if name not in build.pins:
            return self.latest(tx, name)
        pinned = build.pins[name]
        if pinned is None:
            return self.create(tx, plain(name, self.new_of(tx, name)), plain, now).id
        row = self.get(tx, pinned)
        if row.definition != name:
            msg = f"dependency_builds: build {pinned} is one of {row.definition!r}, not of {name!r}"
            raise BadArguments(msg)
        check_dependency(row)
        return pinned

    def _hold_back(self, tx: Transaction, row: JobRow) -> None:
        check_transition(STATUSES[row.status], Status.SUSPENDED, what=f"build {row.id}")
        row.status = CODES["suspended"]
        row.options = json_text(msgspec.structs.replace(options_of(row.options), suspended=_HELD_BACK))
        self._jobs.change(tx, row)

    def _check_parents(self, tx: Transaction, row: JobRow) -> None:
        if not row.open_parents:
            return
        for parent, _, is_open, code, task, _ in self._jobs.parents(tx, row.id):
            if is_open and code is not None:
                which = f"build {parent} ({task}), which is {STATUSES[code]}"
                msg = f"build {row.id} cannot be started: it depends on {which}"
                raise InvalidTransition(msg)


def check_build(row: JobRow) -> JobRow:
    """The row, if it is that of a build. Raises `UnknownJob`."""
    if row.definition is None:
        raise _unknown(row.id)
    return row


def check_dependency(row: JobRow) -> None:
    """Whether others may depend on a build. Raises `MissingDependencies` for one that has ended without a result."""
    status = STATUSES[row.status]
    if status in FINAL and status is not Status.SUCCEEDED:
        msg = f"build {row.id} of {row.definition!r} is {status}: a dependency must be, or become, a successful build"
        raise MissingDependencies(msg)


def _unknown(id: int) -> UnknownJob:
    return UnknownJob(f"there is no build {id} (or it has been deleted)")


def _is_elsewhere(row: JobRow) -> bool:
    """Whether a held build is a worker's or a machine's."""
    return row.worker is not None or row.machine is not None


def _wanted(build: NewBuild) -> Sequence[str]:
    return list(dict.fromkeys((*build.dependencies, *build.pins)))


def _take(job: NewJob, builds: Mapping[str, int]) -> None:
    """Have a job depend on these builds, and take their results."""
    job.after = [(id, SUCCESS) for id in builds.values()]
    for op in job.ops:
        op.refs = [_pinned(ref, builds) for ref in op.refs]


def _pinned(ref: Ref, builds: Mapping[str, int]) -> Ref:
    if ref.name is None:
        return ref
    if ref.name not in builds:
        msg = f"an argument is the result of {ref.name!r}, which is not among the dependencies"
        raise BadArguments(msg)
    return Ref(ref.path, builds[ref.name])


def _begin(row: JobRow, now: int) -> None:
    """Make a row that of a running job which is held by hand."""
    check_transition(STATUSES[row.status], Status.RUNNING, what=f"build {row.id}")
    options = options_of(row.options)
    if options.suspended is not None:
        options = msgspec.structs.replace(options, suspended=None)
        row.options = None if options == JobOptions() else json_text(options)
    row.status = CODES["running"]
    row.epoch += 1
    row.attempt += 1
    row.started_at = row.exec_at = row.heartbeat = now
    row.ended_at = row.worker = row.machine = row.logtail = None
    if row.unique_until == 0:
        row.unique_key = None


_decode_pins = msgspec.json.Decoder(dict[str, int]).decode
