"""
Builds made by hand: the jobs of a definition and, where asked, of all below and above it.

Rule: which builds are needed is decided, and they are stored, in one transaction: all of them or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jobyard.errors import BadArguments, MissingDependencies, PreconditionFailed, UnknownDefinition, UnknownJob
from jobyard.model.definition import DefinitionRow, DefinitionState
from jobyard.model.graph import Edges, dependants, in_order
from jobyard.model.job import Job
from jobyard.model.newjob import SUCCESS, NewJob
from jobyard.model.references import Ref
from jobyard.model.rows import JobRow
from jobyard.store import Store
from jobyard.store.builds import check_dependency
from jobyard.store.driver import Transaction
from jobyard.store.insert import Stored
from jobyard.store.jobs import json_text
from jobyard.store.recurrence import job_of

__all__ = ["Order", "build", "pinned_ids", "planned"]


@dataclass(frozen=True)
class Order:
    """What somebody wants built; `pins` has the id of a build, or None for a new one, by definition."""

    name: str
    build_deps: bool = False
    build_revdeps: bool = False
    pins: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Plan:
    """The builds to make, each behind those it takes results of, and which build each dependency is."""

    rows: Mapping[str, DefinitionRow]
    edges: Edges
    order: Order
    steps: dict[str, dict[str, int | None]] = field(default_factory=dict)
    """By definition: the build of each direct dependency; None is the new one of this same plan."""
    missing: list[str] = field(default_factory=list)

    def make(self) -> None:
        self._build(self.order.name)
        if self.order.build_revdeps:
            self._build_dependants()
        self._check_pins()
        self._check_states()
        if self.missing:
            raise MissingDependencies("; ".join(self.missing))

    def _check_pins(self) -> None:
        """A pin takes part if something that is built depends directly on what is pinned, and takes that build."""
        taken = {each for builds in self.steps.values() for each in builds.items()}
        if astray := [repr(pin[0]) for pin in self.order.pins.items() if pin not in taken]:
            msg = f"pins: nothing that is built takes the pinned build of {', '.join(astray)}"
            raise BadArguments(msg)

    def _check_states(self) -> None:
        for name in self.steps:
            if self.rows[name].state == DefinitionState.RETIRED:
                msg = f"definition {name} is retired, so it is not built"
                raise PreconditionFailed(msg)

    def _build(self, name: str) -> None:
        """Plan a new build of *name*, and before it those of the dependencies that get a new one."""
        for each in in_order(self._edges_to_build(name), [name]):
            if each not in self.steps:
                needed = self.edges.get(each, ())
                self.steps[each] = {dependency: self._existing(dependency) for dependency in needed}
                self._note_missing(each)

    def _edges_to_build(self, name: str) -> dict[str, list[str]]:
        """The part of the graph below *name* that gets new builds."""
        found: dict[str, list[str]] = {}
        left = [name]
        while left:
            each = left.pop()
            if each not in found:
                found[each] = [dependency for dependency in self.edges.get(each, ()) if self._gets_new(dependency)]
                left += found[each]
        return found

    def _gets_new(self, name: str) -> bool:
        if name in self.steps:
            return True
        if name in self.order.pins:
            return self.order.pins[name] is None
        return self.order.build_deps and self.rows[name].last_build is None

    def _existing(self, name: str) -> int | None:
        """The build to take of a dependency; None: the new one, or there is none."""
        if name in self.steps:
            return None
        pinned = self.order.pins.get(name)
        return pinned if pinned is not None else self.rows[name].last_build

    def _note_missing(self, name: str) -> None:
        for dependency, build in self.steps[name].items():
            if build is None and dependency not in self.steps:
                text = f"{name} needs the result of {dependency}, which has no successful build"
                self.missing.append(f"{text}; build that first, or give build_deps")

    def _build_dependants(self) -> None:
        above = dependants(self.edges)
        reached: dict[str, None] = {}
        left = list(self.steps)
        while left:
            for name in above.get(left.pop(0), ()):
                if name not in reached and name not in self.steps and self.rows[name].state != DefinitionState.RETIRED:
                    reached[name] = None
                    left.append(name)
        position = {name: self.rows[name].position for name in reached}
        for name in in_order(self.edges, sorted(reached, key=position.__getitem__)):
            if name in reached:
                self._build(name)


def build(store: Store, tx: Transaction, order: Order, requester: str | None, now: int) -> dict[str, Stored]:
    """
    Store the builds that *order* needs, in their order, by definition.

    Raises:
        UnknownDefinition: there is none of the name, or of a pinned one.
        PreconditionFailed: the definition is retired, or one that would get a new build for it.
        MissingDependencies: a dependency has no successful build, and is to get none; or its pinned build failed.
        UnknownJob, BadArguments: a pinned build does not exist, or is one of another definition; or nothing that is
            built takes it.
    """
    plan = _plan(store, tx, order)
    new = _new_jobs(plan, requester)
    stored = dict(zip(plan.steps, store.jobs.insert(tx, new, now), strict=True))
    _keep_snapshots(store, tx, plan, stored)
    head = stored[order.name].row
    data = {"builds": [each.row.id for each in stored.values()]}
    store.events.add(tx, "request", now, user=requester, job=head.id, definition=order.name, data=data)
    return stored


def planned(store: Store, tx: Transaction, order: Order) -> list[str]:
    """The definitions that `build` would make builds of, in their order. Raises as that does."""
    return list(_plan(store, tx, order).steps)


def _plan(store: Store, tx: Transaction, order: Order) -> _Plan:
    rows = {row.name: row for row in store.definitions.all(tx)}
    _check(store, tx, order, rows)
    plan = _Plan(rows, store.definitions.dependencies(tx), order)
    plan.make()
    return plan


def _check(store: Store, tx: Transaction, order: Order, rows: Mapping[str, DefinitionRow]) -> None:
    for name in [order.name, *order.pins]:
        if name not in rows:
            msg = f"{'pins: ' if name in order.pins else ''}there is no definition {name!r}"
            raise UnknownDefinition(msg)
    pinned = {name: build for name, build in order.pins.items() if build is not None}
    builds = store.jobs.get_many(tx, pinned.values())
    for name, id in pinned.items():
        _check_pinned(name, id, builds.get(id))


def _check_pinned(name: str, id: int, row: JobRow | None) -> None:
    if row is None:
        msg = f"pins: there is no build {id} of {name} (or it has been deleted)"
        raise UnknownJob(msg)
    if row.definition != name:
        whose = f"of definition {row.definition}" if row.definition else "of no definition"
        msg = f"pins: job {id} is a build {whose}, not of {name}"
        raise BadArguments(msg)
    check_dependency(row)


def _new_jobs(plan: _Plan, requester: str | None) -> list[NewJob]:
    places = {name: index for index, name in enumerate(plan.steps)}
    new = []
    for index, (name, builds) in enumerate(plan.steps.items()):
        job = job_of(name, plan.rows[name].recipe)
        job.requester = requester
        parents = {each: build if build is not None else places[each] - index for each, build in builds.items()}
        job.after = [(parent, SUCCESS) for parent in parents.values()]
        job.ops[0] = msgspec.structs.replace(job.ops[0], refs=_pinned(job.ops[0].refs, parents))
        new.append(job)
    return new


def _pinned(refs: Iterable[Ref], parents: Mapping[str, int]) -> list[Ref]:
    return [ref if ref.name is None else Ref(ref.path, parents[ref.name]) for ref in refs]


def _keep_snapshots(store: Store, tx: Transaction, plan: _Plan, stored: Mapping[str, Stored]) -> None:
    snapshots = []
    for name, builds in plan.steps.items():
        row = plan.rows[name]
        ids = {each: build if build is not None else stored[each].row.id for each, build in builds.items()}
        snapshots.append((stored[name].row.id, name, row.options, None, json_text(ids), row.recipe.cleanup))
    tx.execute_many(store.jobs.recurrence.builds.add, snapshots)


def pinned_ids(pins: Mapping[str, Job[Any] | int | None]) -> dict[str, int | None]:
    """Pins as ids. Raises `BadArguments` for what is neither a job nor an id nor None, and for other than a mapping."""
    if not isinstance(pins, Mapping):
        msg = f"pins={pins!r}: give a mapping of definitions to their builds"
        raise BadArguments(msg)
    found: dict[str, int | None] = {}
    for name, build in pins.items():
        id = build.id if isinstance(build, Job) else build
        if id is not None and (isinstance(id, bool) or not isinstance(id, int)):
            msg = f"pins[{name!r}]={build!r}: give a build, its id, or None for a new one"
            raise BadArguments(msg)
        found[name] = id
    return found
