"""``yard.definitions``: adding, loading and finding definitions, and what operators do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, Unpack

from jobyard.cleanup import delete_build
from jobyard.config import Settings
from jobyard.definitions.building import Order, build, pinned_ids, planned
from jobyard.definitions.definition import Definition, Result
from jobyard.definitions.entry import DefinitionKeywords, Entry, Fault, by_line
from jobyard.definitions.overview import Overview, overview
from jobyard.definitions.recipes import AnyTask, Draft, Kitchen
from jobyard.definitions.writing import Loaded, Writer, arguments_of
from jobyard.errors import BadArguments, BadDefinitions, PreconditionFailed
from jobyard.model.arguments import Arguments
from jobyard.model.codec import Codec
from jobyard.model.definition import DefinitionState, Recipe, recurrence_key, result_of
from jobyard.model.graph import in_order, outdated
from jobyard.model.instants import from_micros
from jobyard.model.job import Job
from jobyard.model.newjob import options_of
from jobyard.model.rows import JobRow
from jobyard.model.schedule import interval
from jobyard.model.states import STATUSES
from jobyard.store import Store
from jobyard.store.again import again
from jobyard.store.jobs import as_read
from jobyard.task import Registry, checks

__all__ = ["Definitions"]

T = TypeVar("T")

_ALTERNATIVES = ({"every", "cron", "timezone"}, {"task", "function"})
"""Of these keys the new ones take the place of the old."""
_RESUMED = (DefinitionState.PAUSED, DefinitionState.FAILING)


class Owner(Protocol):
    """What the catalog needs of its yard."""

    @property
    def store(self) -> Store: ...
    @property
    def tasks(self) -> Registry: ...
    @property
    def task(self) -> Callable[[Any], AnyTask]: ...
    @property
    def codec(self) -> Codec: ...
    @property
    def settings(self) -> Settings: ...


class Definitions:
    """
    The definitions of a yard, by name.

    Args:
        job: makes the job of a row.
    """

    def __init__(self, owner: Owner, job: Callable[[JobRow], Job[Any]]) -> None:
        self._owner = owner
        self._job = job

    @property
    def _store(self) -> Store:
        return self._owner.store

    def add(
        self,
        name: str,
        task: AnyTask | str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        user: str | None = None,
        **keys: Unpack[DefinitionKeywords],
    ) -> Definition:
        """
        Add a definition, or bring the one of this name to what is said here; it is active unless ``state="draft"``.

        Args:
            name: of the definition.
            task: the task, or its name; or give `function`.
            args: by position; ``retval("name")`` stands for the result of a dependency.
            kwargs: by name.
            user: who does it; by default the setting.
            keys: the others of the YAML: `function` (``module:function``, which becomes a task), `title`, `notes`,
                `dependencies`, `queue`, `priority`, `retry`, `timeout`, `protected`, `cleanup`, `every`, `cron`,
                `timezone`, `overlap`, `jitter`, `failure_limit`, `keep`, `state`.

        Raises:
            UnknownTask, UnknownDefinition, DependencyCycle, BadArguments: naming the definition and what is wrong.
        """
        values = {"task": task, "args": args, "kwargs": kwargs, **keys}
        self._put_one(Entry(checks.name(name, "name"), values), user)
        return self.get(name)

    def change(self, name: str, /, user: str | None = None, **keys: Any) -> Definition:
        """
        Change some keys of a definition, for later jobs. None takes one back.

        It stays in its state, unless `state` is among the keys. One event has the old and the new values; there is none
        if nothing changes.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is to be active, but somebody paused it, or it fails: that is what `resume` is for.
            BadArguments, UnknownTask, DependencyCycle: as for `add`.
        """
        if "name" in keys:
            msg = "a definition keeps its name; add another one, and retire this"
            raise BadArguments(msg)
        definition = self.get(name)
        if keys.get("state") == DefinitionState.ACTIVE and definition.state in _RESUMED:
            msg = f"definition {name} is {definition.state}: resume it"
            raise PreconditionFailed(msg)
        entry = self._entry(definition)
        for alternatives in _ALTERNATIVES:
            if keys.keys() & alternatives:
                entry.values = {key: value for key, value in entry.values.items() if key not in alternatives}
        entry.values |= keys
        entry.stored -= keys.keys()
        self._put_one(entry, user, keeps_states="state" not in keys)
        return self.get(name)

    def check(self, path: str | Path) -> list[Fault]:
        """What is wrong with a file of definitions, in the order of the lines."""
        entries, faults = _read(path)
        return sorted([*faults, *self._prepare(entries)[1]], key=by_line)

    def load(self, path: str | Path, *, prune: bool = False, user: str | None = None) -> Loaded:
        """
        Bring the definitions to what a file says: all of it, or nothing if there is a fault.

        A function that the file names by ``function:`` becomes a task of this yard, so a worker's application loads the
        file too; nobody imports a name that was found in a row.

        Args:
            path: of the YAML file.
            prune: retire the definitions that the file does not have.
            user: who does it; by default the setting.

        Raises:
            BadDefinitions: the file has faults; the text has each with its line.
        """
        entries, faults = _read(path)
        drafts, found = self._prepare(entries)
        if faults or found:
            raise _bad(path, [*faults, *found])

        def put(writer: Writer) -> Loaded:
            loaded = writer.put(drafts)
            writer.leave_out({draft.name for draft in drafts}, loaded, retire=prune)
            return loaded

        return self._write(put, user)

    def dump(self) -> str:
        """
        All definitions but the retired ones, as the YAML that `load` takes.

        A retired one that another depends on is there as a draft, since a file is loaded with all that it names. Loaded
        again, the definitions stay in their states.

        Raises:
            BadDefinitions: arguments would not come back as they are; each is named.
        """
        from jobyard.definitions.document import dump  # what reads YAML, only those need who have some

        listed = {each.name: each for each in self.list()}
        edges = {name: each.dependencies for name, each in listed.items()}
        needed = set(in_order(edges, [name for name, each in listed.items() if each.state != DefinitionState.RETIRED]))
        return dump([_dumped(each) for name, each in listed.items() if name in needed])

    def get(self, name: str) -> Definition:
        """Raises `UnknownDefinition`."""
        with self._store.read() as tx:
            return Definition(self._store.definitions.get(tx, name), self)

    def overview(self, runs: int = 10) -> list[Overview]:
        """What a listing shows of all of them, read at once: next job, last results, whether outdated."""
        return overview(self._store, self, runs)

    def request(self, name: str, user: str | None = None) -> Definition:
        """
        Have a definition run now, ahead of automatic jobs of the same priority. One that is failing starts anew.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is not active, runs already, or was requested before; the requester is named.
        """
        who = user or self._owner.settings.user or "somebody"
        self._write(lambda writer: writer.request(name, who), user)
        return self.get(name)

    def pause(self, name: str, user: str | None = None) -> Definition:
        """Have it make no more jobs: a pending one is taken away, a running one ends. Raises `PreconditionFailed`."""
        return self._move(name, DefinitionState.PAUSED, user)

    def resume(self, name: str, user: str | None = None) -> Definition:
        """Make it active again, with a new row of failures. Raises `PreconditionFailed`."""
        return self._move(name, DefinitionState.ACTIVE, user)

    def retire(self, name: str, user: str | None = None) -> Definition:
        """Have it make no more jobs, also by hand. Raises `PreconditionFailed`."""
        return self._move(name, DefinitionState.RETIRED, user)

    def delete(self, name: str, user: str | None = None) -> None:
        """
        Forget a definition. Its builds stay as jobs.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: others depend on it.
        """
        self._write(lambda writer: writer.delete(name), user)

    def build(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | int | None] | None = None,
    ) -> Job[Any]:
        """See `Yard.build`."""
        order = Order(name, build_deps, build_revdeps, pinned_ids({} if pins is None else pins))
        user, now = self._owner.settings.user, self._store.now()
        with self._store.transaction() as tx:
            stored = build(self._store, tx, order, user, now)
        self._store.driver.notify(everywhere=True)
        return self._job(as_read(stored[name].row, now))

    def planned(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | int | None] | None = None,
    ) -> list[str]:
        """The names of the definitions that `Yard.build` would build, in order. Stores nothing, and raises as that."""
        order = Order(name, build_deps, build_revdeps, pinned_ids({} if pins is None else pins))
        with self._store.read() as tx:
            return planned(self._store, tx, order)

    def delete_build(self, job: Job[Any] | int) -> None:
        """
        Delete a build with its log and progress, and call the clean-up of its definition first, with its result.

        An unknown one is silent. A clean-up that raises leaves the build there and marks it; deleting it again repeats
        the call.

        Raises:
            PreconditionFailed: a worker has it, an unfinished job depends on it, or it is the next run of a recurrence.
            UnknownTask: its clean-up is not known here.
        """
        owner, id = self._owner, job.id if isinstance(job, Job) else job
        delete_build(self._store, owner.tasks, owner.codec, id, owner.settings.user)

    def declare(self) -> list[Definition]:
        """
        Add the definitions that tasks declare by `every` or `cron`, each under the name of its task.

        Workers do this when they start. One that is there already keeps its state.
        """
        declared = [task for task in self._owner.tasks if task.options.every is not None or task.options.cron]
        if not declared:
            return []
        with self._store.read() as tx:
            known = self._store.definitions.get_many(tx, [task.name for task in declared])
        entries = [Entry(task.name, {"task": task}) for task in declared if task.name not in known]
        entries += [
            self._entry(Definition(row, self))
            for row in known.values()
            if row.task == row.name and row.state != DefinitionState.RETIRED
        ]
        drafts, faults = self._prepare(entries)
        if faults:
            raise faults[0].kind(faults[0].text)
        whole = [draft for draft in drafts if draft.recipe]
        self._write(lambda writer: writer.put(whole, keeps_states=True), None)
        return [self.get(task.name) for task in declared]

    def job_of(self, name: str) -> Job[Any] | None:
        """The unfinished job of a recurrence."""
        now = self._store.now()
        with self._store.read() as tx:
            row = self._store.jobs.unique_holder(tx, recurrence_key(name))
        return self._job(as_read(row, now)) if row is not None else None

    def results_of(self, name: str, limit: int) -> list[Result]:
        """How the newest runs of a definition ended, newest first."""
        with self._store.read() as tx:
            found = self._store.definitions.runs(tx, name, limit)
        return [self._result(machine, row) for machine, row in found]

    def interval_of(self, recipe: Recipe) -> float | None:
        return interval(recipe.schedule, self._store.now())

    def arguments_of(self, recipe: Recipe) -> Arguments:
        return arguments_of(self._owner.codec, recipe)

    def outdated_of(self, name: str) -> bool | None:
        with self._store.read() as tx:
            edges = self._store.definitions.dependencies(tx)
            built_at = {row.name: row.last_build_at for row in self._store.definitions.all(tx)}
        return outdated(edges, built_at, [name])[name]

    def log_of(self, job: int) -> bytes | None:
        with self._store.read() as tx:
            return self._store.files.get(tx, job)

    def is_running(self, name: str) -> bool:
        with self._store.read() as tx:
            return name in self._store.definitions.running(tx)

    def _result(self, machine: str | None, row: JobRow) -> Result:
        status = result_of(STATUSES[row.status], options_of(row.options).result_status)
        started_at, ended_at = row.started_at or row.received_at, row.ended_at or row.received_at
        times = from_micros(started_at), from_micros(ended_at)
        return Result(status, self._job(row), machine, row.requester, row.logtail, *times, self)

    def _move(self, name: str, state: DefinitionState, user: str | None) -> Definition:
        self._write(lambda writer: writer.move(name, state), user)
        return self.get(name)

    def _put_one(self, entry: Entry, user: str | None, *, keeps_states: bool = False) -> None:
        drafts, faults = self._prepare([entry])
        if faults:
            raise faults[0].kind(faults[0].text)
        self._write(lambda writer: writer.put(drafts, keeps_states=keeps_states), user)

    def _prepare(self, entries: Sequence[Entry]) -> tuple[list[Draft], list[Fault]]:
        owner = self._owner
        kitchen = Kitchen(owner.tasks, owner.task, owner.codec, owner.settings.failure_limit)
        return kitchen.prepare(entries, self._others)

    def _others(self) -> dict[str, list[str]]:
        """The stored definitions, with what they depend on."""
        with self._store.read() as tx:
            edges = self._store.definitions.dependencies(tx)
            return {row.name: edges.get(row.name, []) for row in self._store.definitions.all(tx)}

    @again
    def _write(self, action: Callable[[Writer], T], user: str | None) -> T:
        with self._store.transaction() as tx:
            writer = Writer(self._store, self._owner.codec, tx, user or self._owner.settings.user)
            result = action(writer)
        self._store.driver.notify(everywhere=writer.ready)
        return result

    def _entry(self, definition: Definition) -> Entry:
        values = {"task": definition.task, **definition.keys()}
        return Entry(str(values.pop("name")), values, stored=frozenset(values))

    def list(self) -> list[Definition]:
        """All of them, in the order in which they came."""
        with self._store.read() as tx:
            return [Definition(row, self) for row in self._store.definitions.all(tx)]


def _dumped(definition: Definition) -> Mapping[str, Any]:
    is_retired = definition.state == DefinitionState.RETIRED
    return {**definition.keys(), "state": DefinitionState.DRAFT.value} if is_retired else definition.keys()


def _read(path: str | Path) -> tuple[list[Entry], list[Fault]]:
    from jobyard.definitions.document import read  # what reads YAML, only those need who have some

    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the definitions cannot be read: {error}"
        raise BadArguments(msg) from error
    document = read(text)
    return document.entries, document.faults


def _bad(path: str | Path, faults: Sequence[Fault]) -> BadDefinitions:
    lines = "\n".join(f"  {fault}" for fault in faults)
    return BadDefinitions(f"{path}: {len(faults)} fault{'s'[: len(faults) > 1]}, nothing was stored:\n{lines}", faults)
