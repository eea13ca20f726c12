"""
Storing definitions and changing their state, each change with its event in the same transaction.

Rule: entering ``active`` makes the job of the recurrence, unless one is unfinished; leaving it takes a pending job away
and lets a running one end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jobyard.definitions.definition import keys_of
from jobyard.definitions.recipes import Draft
from jobyard.errors import PreconditionFailed
from jobyard.model.arguments import Arguments
from jobyard.model.codec import Codec
from jobyard.model.definition import DefinitionRow, DefinitionState, Recipe, first_slot, recurrence_key
from jobyard.model.references import Retval
from jobyard.model.rows import JobRow
from jobyard.model.states import FINAL, HELD, STATUSES, Status
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.jobs import json_text
from jobyard.store.plans import run

__all__ = ["Loaded", "Writer", "arguments_of"]

_ACTIVE, _DRAFT = DefinitionState.ACTIVE, DefinitionState.DRAFT
_S = DefinitionState
_MAY = {
    _S.PAUSED: frozenset({_S.ACTIVE, _S.FAILING}),
    _S.ACTIVE: frozenset(_S) - {_S.ACTIVE},
    _S.RETIRED: frozenset(_S) - {_S.RETIRED},
}
"""From which states a user may bring a definition to each."""
_VERBS = {_S.PAUSED: "pause", _S.ACTIVE: "resume", _S.RETIRED: "retire"}


@dataclass(slots=True)
class Loaded:
    """What became of the definitions of a file, by name. `kept` are those that the file does not have."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    """Retired, since the file does not have them (only with ``prune``)."""
    kept: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


class Writer:
    """Writes definitions within one transaction."""

    def __init__(self, store: Store, codec: Codec, tx: Transaction, user: str | None) -> None:
        self._store = store
        self._codec = codec
        self._tx = tx
        self._user = user
        self._now = store.now()
        self._events: list[tuple[Any, ...]] = []
        self.ready = False
        """A job may be ready to be claimed."""

    def put(self, drafts: Sequence[Draft], *, keeps_states: bool = False) -> Loaded:
        """
        Add those that are new, and change those that differ.

        Args:
            drafts: what they are to be.
            keeps_states: leave those that are there in their states; else a retired one, and a draft that is none, is
                active.
        """
        table, loaded = self._store.definitions, Loaded()
        before = table.get_many(self._tx, [draft.name for draft in drafts])
        position = table.last_position(self._tx)
        new, changed = [], []
        for draft in drafts:
            row = before.get(draft.name)
            if row is None:
                position += 1
                new.append(self._new_row(draft, position))
                loaded.added.append(draft.name)
            elif self._is_changed(row, draft, row.state if keeps_states else _state_of(row, draft)):
                changed.append(row)
                loaded.changed.append(draft.name)
            else:
                loaded.unchanged.append(draft.name)
        if new:
            table.insert(self._tx, new)
        if changed:
            table.change(self._tx, changed, edges=True)
        self._make_jobs([*new, *changed])
        self._flush()
        return loaded

    def leave_out(self, names: Iterable[str], loaded: Loaded, *, retire: bool) -> None:
        """Note the definitions other than *names* as kept, or retire them."""
        for row in self._store.definitions.all(self._tx):
            if row.name in names or row.state == _S.RETIRED:
                continue
            if retire:
                self.move(row.name, _S.RETIRED)
            (loaded.removed if retire else loaded.kept).append(row.name)

    def move(self, name: str, state: DefinitionState) -> DefinitionRow:
        """
        Bring a definition to another state.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is in that state, or cannot come to it.
        """
        row = self._locked(name)
        if row.state not in _MAY[state]:
            msg = f"definition {name} is {row.state}, so it cannot be {_VERBS[state].removesuffix('e')}ed"
            raise PreconditionFailed(msg)
        self._enter(row, state)
        self._flush()
        return row

    def request(self, name: str, user: str) -> None:
        """
        Have a definition run now.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: it is not active (nor failing), runs, or was requested before.
        """
        row = self._locked(name)
        if row.state == DefinitionState.FAILING:
            self._enter(row, _ACTIVE)
        elif row.state != _ACTIVE:
            msg = f"definition {name} is {row.state}, not active; nothing was written"
            raise PreconditionFailed(msg)
        holder = self._holder(name)
        if holder is None:
            [stored] = run(self._store.jobs.recurrence.make([(row, self._now)], self._now), self._tx)
            holder = stored.row
        self._store.control.request(self._tx, holder.id, user, self._now)
        self._flush()
        self.ready = True

    def delete(self, name: str) -> None:
        """
        Forget a definition: a pending job is taken away, a running one and the builds stay.

        Raises:
            UnknownDefinition: there is none of this name.
            PreconditionFailed: others depend on it.
        """
        row = self._locked(name)
        edges = self._store.definitions.dependencies(self._tx)
        users = [other for other, dependencies in edges.items() if name in dependencies]
        if users:
            msg = f"definition {name} cannot be deleted: {', '.join(users)} depends on it"
            raise PreconditionFailed(msg)
        row.state = _S.RETIRED.value
        self._store.definitions.change(self._tx, [row])
        self._take_pending_away(name)
        self._store.definitions.delete(self._tx, name)
        self._note("delete", name, _shown(self._keys(name, row.recipe)))
        self._flush()

    def _new_row(self, draft: Draft, position: int) -> DefinitionRow:
        recipe = _whole(draft)
        state = draft.state or _ACTIVE.value
        row = DefinitionRow(
            draft.name, position, state, recipe.task, int(recipe.schedule.recurs), _micros(recipe.keep),
            json_text(recipe), 0, None, None, None, None, None, self._now, self._now,
        )  # fmt: skip
        self._note("create", row.name, {**_shown(self._keys(row.name, recipe)), "state": state})
        return row

    def _is_changed(self, row: DefinitionRow, draft: Draft, state: str) -> bool:
        """Bring a row to what its draft says, and to this state; False: it is like that already."""
        recipe, before = _whole(draft), row.recipe
        if (before, row.state) == (recipe, state):
            return False
        old, new = self._differences(row, before, recipe, state)
        row.options, row.task = json_text(recipe), recipe.task
        row.recurring, row.keep, row.changed_at = int(recipe.schedule.recurs), _micros(recipe.keep), self._now
        was_active, row.state = row.state == _ACTIVE, state
        if was_active and (state != _ACTIVE or not row.recurring):
            self._store.definitions.change(self._tx, [row])
            self._take_pending_away(row.name)
        self._note("change", row.name, {"old": old, "new": new})
        return True

    def _differences(
        self, row: DefinitionRow, before: Recipe, after: Recipe, state: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The old and the new values of the keys that change."""
        old = {**self._all_keys(row.name, before), "state": row.state}
        new = {**self._all_keys(row.name, after), "state": state}
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        return {key: old.get(key) for key in keys}, {key: new.get(key) for key in keys}

    def _all_keys(self, name: str, recipe: Recipe) -> dict[str, Any]:
        """With what the task says."""
        return {**_shown(self._keys(name, recipe)), "defaults": msgspec.to_builtins(recipe.says)}

    def _enter(self, row: DefinitionRow, state: DefinitionState) -> None:
        was_active = row.state == _ACTIVE
        if row.state == DefinitionState.FAILING:
            row.failures, row.failing_since = 0, None
        self._note(_VERBS[state], row.name, {"old": {"state": row.state}, "new": {"state": state.value}})
        row.state, row.changed_at = state.value, self._now
        self._store.definitions.change(self._tx, [row])
        if state is _ACTIVE:
            self._make_jobs([row])
        elif was_active:
            self._take_pending_away(row.name)

    def _make_jobs(self, rows: Iterable[DefinitionRow]) -> None:
        """The jobs of those that are active and recur; one that was put aside meanwhile goes on."""
        wanted = [(row, first_slot(row, self._now)) for row in rows if row.state == _ACTIVE and row.recurring]
        if not wanted:
            return
        for stored in run(self._store.jobs.recurrence.make(wanted, self._now), self._tx):
            if stored.existing and STATUSES[stored.row.status] is Status.SUSPENDED:
                self._store.control.resume(self._tx, stored.row.id, self._user, self._now)
        self.ready = True

    def _take_pending_away(self, name: str) -> None:
        holder = self._holder(name)
        if holder is None:
            return
        locked = self._store.jobs.lock(self._tx, holder.id)  # a worker may be about to claim it
        if STATUSES[locked.status] not in FINAL | HELD:
            self._store.control.cancel(self._tx, holder.id, self._user, self._now)

    def _holder(self, name: str) -> JobRow | None:
        return self._store.jobs.unique_holder(self._tx, recurrence_key(name))

    def _locked(self, name: str) -> DefinitionRow:
        return self._store.definitions.lock(self._tx, name)

    def _keys(self, name: str, recipe: Recipe) -> dict[str, Any]:
        return keys_of(name, recipe, arguments_of(self._codec, recipe))

    def _note(self, kind: str, name: str, data: dict[str, Any]) -> None:
        self._events.append((self._now, kind, self._user, None, name, None, json_text(data)))

    def _flush(self) -> None:
        if self._events:
            self._tx.execute_many(self._store.jobs.trail.add, self._events)
            self._events = []


def arguments_of(codec: Codec, recipe: Recipe) -> Arguments:
    """The arguments, read without the task; references are `Retval`."""
    return codec.decode_any_arguments(recipe.args, [(ref.path, Retval(name=ref.name)) for ref in recipe.refs])


def _state_of(row: DefinitionRow, draft: Draft) -> str:
    """The state in which a definition goes on that is added or loaded again."""
    if draft.state == _DRAFT and row.state == _ACTIVE:
        return _DRAFT.value
    if draft.state != _DRAFT and row.state in (_S.RETIRED, _DRAFT):
        return _ACTIVE.value
    return row.state


def _shown(keys: dict[str, Any]) -> dict[str, Any]:
    """The same as plain JSON, for an event."""
    return {key: msgspec.to_builtins(_text_keys(value), str_keys=True, enc_hook=_text) for key, value in keys.items()}


def _text_keys(value: Any) -> Any:
    """The same with texts for those keys of dicts that JSON could not have."""
    if isinstance(value, dict):
        return {key if type(key) in (str, int, float) else repr(key): _text_keys(each) for key, each in value.items()}
    return [_text_keys(each) for each in value] if isinstance(value, (list, tuple)) else value


def _text(value: object) -> str:
    return f"!retval {value.name}" if isinstance(value, Retval) else repr(value)


def _whole(draft: Draft) -> Recipe:
    assert draft.recipe is not None  # only drafts without faults are written
    return draft.recipe


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1_000_000)
