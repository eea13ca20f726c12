"""Definitions for the tests of the workflow, which need no task."""

from __future__ import annotations

from typing import Any

import msgspec

from jobyard import Yard
from jobyard.model.definition import DefinitionRow, Recipe

HOUR = 3600


def define(
    yard: Yard, name: str = "git", *, every: float | None = 6 * HOUR, state: str = "active", **recipe: Any
) -> str:
    """Store a definition without a job; returns its name."""
    content = Recipe(task="imports:run", every=every, **recipe)
    now = yard.store.now()
    row = DefinitionRow(
        name,
        1,
        state,
        content.task,
        int(content.schedule.recurs),
        None,
        msgspec.json.encode(content).decode(),
        0,
        None,
        None,
        None,
        None,
        None,
        now,
        now,
    )
    with yard.store.transaction() as tx:
        yard.store.definitions.insert(tx, [row])
    return name


def enter(yard: Yard, name: str, state: str) -> None:
    """Have a definition change its state, and nothing else."""
    with yard.store.transaction() as tx:
        row = yard.store.definitions.lock(tx, name)
        row.state = state
        yard.store.definitions.change(tx, [row])


def state(yard: Yard, name: str = "git") -> str:
    return definition(yard, name).state


def definition(yard: Yard, name: str = "git") -> DefinitionRow:
    with yard.store.read() as tx:
        return yard.store.definitions.get(tx, name)


def log_of(yard: Yard, id: int) -> bytes | None:
    with yard.store.read() as tx:
        return yard.store.files.get(tx, id)
