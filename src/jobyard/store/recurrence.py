"""
The jobs that a definition makes by itself, without a scheduler: each is made in the transaction that ends the last one.

While a definition is active and recurs, one unfinished job holds the unique key ``definition:NAME``. Where runs may
overlap the start lets the key go, and the next job is made then. So no leader is needed, and nothing is idle work.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from jobyard.model.definition import (
    DefinitionRow,
    DefinitionState,
    Recipe,
    Record,
    ResultStatus,
    recurrence_key,
    result_of,
)
from jobyard.model.faults import canceled_fault
from jobyard.model.newjob import JobOptions, NewJob, NewOp, options_of
from jobyard.model.ranking import is_requested, rank
from jobyard.model.references import Ref
from jobyard.model.rows import JobRow
from jobyard.model.schedule import due_of, next_slot
from jobyard.model.states import CODES, STATUSES, Status
from jobyard.store.insert import Inserter, Stored
from jobyard.store.plans import Batch, Plan, Query
from jobyard.store.queues import queue_of
from jobyard.store.sql import Statements

__all__ = ["End", "Recurrence", "Succeeded", "cancel_pending", "is_recurrence", "job_of"]

_encode = msgspec.json.Encoder().encode
_FINISHED = {status: f'{{"status":"{status}"}}' for status in ResultStatus}
"""What the event of an end says of it."""
_decode_refs = msgspec.json.Decoder(list[Ref]).decode
_REMEMBERED = 3600.0


class End(NamedTuple):
    """A job of a definition that ends: its row as it was, its final status, and its result status, if one was said."""

    row: JobRow
    status: Status
    said: str | None = None
    user: str | None = None


class _Noted(msgspec.Struct):
    """What is to be written of jobs that end at one time, but for the next ones."""

    now: int
    machines: Mapping[int, str | None]
    """Where each job was held, by its id."""
    ends: list[End] = msgspec.field(default_factory=list)
    finishes: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    records: dict[str, Record] = msgspec.field(default_factory=dict)
    options: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Of jobs, by id, which say how they ended."""

    def add(self, end: End) -> None:
        row, status, said, user = end
        result = result_of(status, said)
        if said is not None:
            options = msgspec.structs.replace(options_of(row.options), result_status=said)
            self.options.append((row.id, _text(options)))
        name = row.definition
        assert name is not None
        self.ends.append(end)
        self.finishes.append((self.now, "finish", user, row.id, name, self.machines[row.id], _FINISHED[result]))
        record = self.records.get(name)
        if record is None:
            record = self.records[name] = Record(name, self.now)
        record.add(row.id, status, result, row.started_at or self.now, recurrence=is_recurrence(row))

    def successes(self) -> list[tuple[Any, ...]]:
        """The rows of ``publish``: of each definition the first success, or nothing but its name."""
        found: dict[str, tuple[Any, ...]] = {name: (name, self.now, None, None, None) for name in self.records}
        for row, status, _, user in reversed(self.ends):
            if status is Status.SUCCEEDED and row.definition is not None:
                found[row.definition] = (row.definition, self.now, user, row.id, self.machines[row.id])
        return list(found.values())


class Succeeded:
    """
    Definitions that have had a success, of which nobody needs to ask whether it was the first.

    They are forgotten after an hour, so that they do not pile up, nor outlive the event of that success.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._until = 0.0

    def add(self, names: set[str], now: float) -> None:
        """*now* is in monotonic seconds."""
        if now >= self._until:
            self._names, self._until = set(), now + _REMEMBERED
        self._names |= names

    def has(self, names: Iterable[str], now: float) -> bool:
        """Whether all of these are among them."""
        return (self._names if now < self._until else set()).issuperset(names)


class Recurrence:
    """Makes plans, from the statements of one dialect; so that a task may end its job in a transaction of its own."""

    def __init__(self, inserter: Inserter, statements: Mapping[str, Statements]) -> None:
        self._inserter = inserter
        self._jobs = statements["jobs"]
        self._definitions = statements["definitions"]
        self.builds = statements["builds"]
        """For those who make builds in other ways."""
        self._events = statements["events"]
        self._queues = statements["queues"]
        self._workers = statements["workers"]
        self._machine_of: dict[int, str] = {}
        """By worker; neither is ever another's."""
        self._succeeded = Succeeded()

    def started(self, rows: Sequence[JobRow], now: int, user: str | None = None) -> Plan[dict[int, list[str]]]:
        """
        Jobs of definitions begin: note it, take the newest results of their dependencies, and make the next one of
        those whose runs may overlap.

        Returns:
            The dependencies without a successful build, by job; it must not run.
        """
        machines = yield from self.machines(rows)
        starts = [(now, "start", user, row.id, row.definition, machines[row.id], None) for row in rows]
        yield Batch(self._events.add, starts)
        missing: dict[int, list[str]] = {}
        for row in rows:
            if row.options and (options := options_of(row.options)).dependencies:
                lacking = yield from self._pin(row, options)
                if lacking:
                    missing[row.id] = lacking
        letting_go = [row for row in rows if is_recurrence(row) and row.unique_key is None]
        if letting_go:
            yield from self._overlap(letting_go, now)
        return missing

    def ended(self, ends: Sequence[End], now: int) -> Plan[bool]:
        """
        Jobs of definitions have ended: note the results, and make the next jobs.

        Returns:
            Whether one of those may be ready at once.
        """
        noted = _Noted(now, (yield from self.machines([end.row for end in ends])))
        ends = sorted(ends, key=lambda end: end.row.id)
        for end in ends:
            if end.row.attempt:  # what never started is no result, and no failure
                noted.add(end)
        yield from self._write(noted)
        recurrences = [end for end in ends if is_recurrence(end.row)]
        if not recurrences:
            return False
        found = yield from self._lock(end.row.definition for end in recurrences)
        ready = False
        for end in recurrences:
            definition = found.get(end.row.definition or "")
            if definition is not None and definition.state == DefinitionState.ACTIVE:
                ready |= yield from self._next(definition, end, now)
        return ready

    def remember_successes(self, names: set[str]) -> None:
        """It is committed that these definitions have had a success."""
        self._succeeded.add(names, time.monotonic())

    def make(self, wanted: Sequence[tuple[DefinitionRow, int]], now: int) -> Plan[list[Stored]]:
        """The jobs of these definitions, each for a slot; those that hold the keys, where there are some."""
        new = [_new_job(row, slot, now) for row, slot in wanted]
        made = yield from self._inserter.insert(new, now, even_drained=True)
        pairs = zip(wanted, made, strict=True)
        builds = [_build(stored.row.id, row) for (row, _), stored in pairs if not stored.existing]
        if builds:
            yield Batch(self.builds.add, builds)
        return made

    def machines(self, rows: Sequence[JobRow]) -> Plan[dict[int, str | None]]:
        """Where these jobs are held, by their ids: on a machine by itself, or on that of a worker."""
        unknown = {row.worker for row in rows if row.worker is not None} - self._machine_of.keys()
        for worker in sorted(unknown):
            known = yield Query(self._workers.get, {"id": worker})
            self._machine_of.update({row[0]: row[2] for row in known})
        return {row.id: row.machine or self._machine_of.get(row.worker or 0) for row in rows}

    def states(self, rows: Iterable[JobRow]) -> Plan[dict[str, str]]:
        """The states of the definitions of these jobs, by name."""
        found = yield from self._lock(row.definition for row in rows)
        return {name: row.state for name, row in found.items()}

    def _lock(self, names: Iterable[str | None]) -> Plan[dict[str, DefinitionRow]]:
        rows = yield Query(self._definitions.lock, {"names": _text(sorted({name for name in names if name}))})
        return {row[0]: DefinitionRow(*row) for row in rows}

    def _write(self, noted: _Noted) -> Plan[None]:
        if noted.records:
            yield Batch(self._events.add, noted.finishes)
            successful = [name for name, record in noted.records.items() if record.build is not None]
            if not self._succeeded.has(successful, time.monotonic()):
                yield Batch(self._definitions.publish, noted.successes())
            in_order = sorted(noted.records.items())  # as `publish` holds them, so that nobody waits in a circle
            yield Batch(self._definitions.record, [msgspec.structs.astuple(record) for _, record in in_order])
        if noted.options:
            yield Batch(self._jobs.set_options, [(_text(noted.options),)])

    def _next(self, definition: DefinitionRow, end: End, now: int) -> Plan[bool]:
        """Make the next job of an active definition, or find that it fails too often; returns whether it is due."""
        recipe, row = definition.recipe, end.row
        result = result_of(end.status, end.said) if row.attempt else None
        at_once = result in (ResultStatus.RECLAIMED, ResultStatus.SUCCESS_PARTIAL)
        if definition.failures > recipe.most_failures and result is not ResultStatus.RECLAIMED:
            yield from self._fail(definition, now)
            return False
        if not at_once and not definition.recurring:
            return False
        slot = now if at_once else next_slot(recipe.schedule, _slot(row), now, failures=definition.failures)
        [stored] = yield from self.make([(definition, slot)], now)
        if result is ResultStatus.RECLAIMED and not stored.existing:
            yield Query(self._jobs.set_crashes, {"id": stored.row.id, "crashes": row.crashes + 1})
        if stored.existing and at_once and stored.row.due > now:
            yield from self._hasten(stored.row, now)
        return slot <= now

    def _fail(self, definition: DefinitionRow, now: int) -> Plan[None]:
        definition.state = DefinitionState.FAILING.value
        definition.changed_at = now
        yield Query(self._definitions.change, msgspec.structs.asdict(definition))
        data = {"old": {"state": "active"}, "new": {"state": "failing"}, "failures": definition.failures}
        yield Batch(self._events.add, [(now, "change", None, None, definition.name, None, _text(data))])
        held = yield Query(self._jobs.unique_holder, {"unique_key": recurrence_key(definition.name)})
        for holder in (JobRow(*values) for values in held):
            if STATUSES[holder.status] in (Status.SCHEDULED, Status.QUEUED, Status.SUSPENDED):
                cancel_pending(holder, now)
                yield Query(self._jobs.change, msgspec.structs.asdict(holder))

    def _hasten(self, row: JobRow, now: int) -> Plan[None]:
        """Make a scheduled job due now."""
        if STATUSES[row.status] is not Status.SCHEDULED:
            return
        known = yield Query(self._queues.get, {"name": row.queue})
        aging = queue_of(known[0]).aging if known else None
        requested = is_requested(row.rank, row.priority, row.due, aging=aging)
        row.due, row.status = now, CODES["queued"]
        row.rank = rank(row.priority, now, requested=requested, aging=aging)
        yield Query(self._jobs.change, msgspec.structs.asdict(row))

    def _overlap(self, rows: Sequence[JobRow], now: int) -> Plan[None]:
        found = yield from self._lock(row.definition for row in rows)
        wanted = []
        for row in rows:
            definition = found.get(row.definition or "")
            if definition is not None and definition.state == DefinitionState.ACTIVE and definition.recurring:
                schedule = definition.recipe.schedule
                wanted.append((definition, next_slot(schedule, _slot(row), now, failures=definition.failures)))
        if wanted:
            yield from self.make(wanted, now)

    def _pin(self, row: JobRow, options: JobOptions) -> Plan[list[str]]:
        """Have a job that starts take the latest builds of its dependencies; returns those that have none."""
        found = yield Query(self._definitions.last_builds, {"names": _text(list(options.dependencies))})
        builds: dict[str, int] = dict(found)
        missing = [name for name in options.dependencies if name not in builds]
        if missing:
            return missing
        refs = [_pinned(ref, builds) for ref in _decode_refs(row.refs)] if row.refs else []
        row.refs = _text(refs) if refs else None
        row.options = _text(msgspec.structs.replace(options, dependencies=()))
        yield Query(self._jobs.pin, {"id": row.id, "refs": row.refs, "options": row.options})
        yield Query(self.builds.pin, {"job": row.id, "dependency_builds": _text(builds)})
        return []


def job_of(name: str, recipe: Recipe, due: int | None = None) -> NewJob:
    """A job made from a definition. None: due at once."""
    says = recipe.says
    options = JobOptions(title=recipe.title or says.title, retry=recipe.retry, timeout=recipe.timeout)
    return NewJob(
        ops=[NewOp(recipe.task, recipe.args, list(recipe.refs))],
        queue=recipe.queue or says.queue,
        priority=says.priority if recipe.priority is None else recipe.priority,
        due=due,
        definition=name,
        options=None if options == JobOptions() else options,
    )


def _new_job(row: DefinitionRow, slot: int, now: int) -> NewJob:
    """The job of a slot, which holds the key of its recurrence."""
    recipe = row.recipe
    new = job_of(row.name, recipe, due_of(recipe.schedule, row.name, slot) if slot > now else slot)
    new.unique, new.unique_for = recurrence_key(row.name), "start" if recipe.overlap == "allow" else "finish"
    new.options = msgspec.structs.replace(new.options or JobOptions(), slot=slot, dependencies=recipe.dependencies)
    return new


def _build(job: int, row: DefinitionRow) -> tuple[Any, ...]:
    """What ``builds.add`` writes; the builds of the dependencies are found when the job begins."""
    return (job, row.name, row.options, None, None, row.recipe.cleanup)


def is_recurrence(row: JobRow) -> bool:
    """Whether a job was made by the schedule of its definition; also when it has let the key go."""
    if row.options is None or row.definition is None:
        return False
    return options_of(row.options).unique == recurrence_key(row.definition)


def cancel_pending(row: JobRow, now: int) -> None:
    """End a job of a recurrence that has not begun; nothing waits for such a job."""
    row.status = CODES["canceled"]
    row.error = canceled_fault(f"definition {row.definition} is failing")
    row.ended_at = now
    row.epoch += 1
    row.unique_key = None


def _slot(row: JobRow) -> int:
    """The time for which a job was made: a retry moves its due time ahead, and a request back."""
    slot = options_of(row.options).slot
    return row.due if slot is None else min(slot, row.due)


def _pinned(ref: Ref, builds: Mapping[str, int]) -> Ref:
    return ref if ref.name is None else Ref(ref.path, builds[ref.name])


def _text(value: object) -> str:
    return _encode(value).decode()
