"""
What is called before a build is deleted: the clean-up of its definition, with its result.

It is called once. While it goes on nobody else calls it; when it raises, the build stays and is marked, and the next
one who deletes the build calls it again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from jobyard.errors import PreconditionFailed
from jobyard.model.codec import Codec
from jobyard.model.states import CODES
from jobyard.model.text import escape
from jobyard.store import Store
from jobyard.store.jobs import json_text
from jobyard.store.sql import statements
from jobyard.task import Registry, Task

__all__ = ["clean_up", "clean_up_old", "delete_build"]

_log = logging.getLogger("jobyard")
_GIVEN_UP = 3600 * 1_000_000
"""After this a clean-up that was begun and never ended is called again: its process died."""


class _Cleanup(NamedTuple):
    """A build that has a clean-up."""

    job: int
    cleanup: str
    cleanup_at: int | None
    cleanup_error: str | None
    task: str
    result: str | None
    status: int


def delete_build(store: Store, tasks: Registry, codec: Codec, id: int, user: str | None) -> None:
    """Clean a build up and delete it, see `Definitions.delete_build`."""
    with store.read() as tx:
        if not store.builds.is_deletable(tx, id):
            return
    clean_up(store, tasks, codec, id)
    with store.transaction() as tx:
        row = store.builds.delete(tx, id)
        if row is not None:
            store.events.add(tx, "delete", store.now(), user=user, job=id, definition=row.definition)
    store.driver.notify(everywhere=False)


def clean_up(store: Store, tasks: Registry, codec: Codec, id: int) -> None:
    """
    Call the clean-up of a build that has succeeded, if it has one that was not called yet.

    Raises:
        UnknownTask: the clean-up is not known here.
        PreconditionFailed: somebody calls it just now.
        Exception: what it raised, after the build was marked.
    """
    found = _cleanups(store, [id])
    if not found:
        return
    each = found[0]
    if each.status == CODES["succeeded"]:
        task = tasks.get(each.cleanup)
        _begin(store, each)
        try:
            _call(task, _result(tasks, codec, each))
        except Exception as error:
            _mark(store, "fail_cleanup", {"job": id, "error": escape(f"{type(error).__name__}: {error}")})
            raise
    _mark(store, "end_cleanup", {"job": id})


def clean_up_old(store: Store, tasks: Registry, codec: Codec, *, keep: float, keep_failed: float, now: int) -> int:
    """Clean up what a prune would delete next, as far as the tasks are known here; returns how many builds."""
    sql = statements(store.driver.dialect, "builds")
    before = {"usual": now - round(keep * 1_000_000), "failed": now - round(keep_failed * 1_000_000), "now": now}
    with store.read() as tx:
        rows = tx.fetch(sql.old_to_clean_up, {**before, "limit": 100})
    done = 0
    for id, cleanup in rows:
        if cleanup not in tasks:
            continue
        try:
            clean_up(store, tasks, codec, id)
            done += 1
        except Exception as error:
            _log.warning("the clean-up %s of build %d failed, and is repeated later: %s", cleanup, id, error)
    return done


def _cleanups(store: Store, ids: Iterable[int]) -> list[_Cleanup]:
    sql = statements(store.driver.dialect, "builds")
    with store.read() as tx:
        return [_Cleanup(*row) for row in tx.fetch(sql.to_clean_up, {"jobs": json_text(list(ids))})]


def _begin(store: Store, each: _Cleanup) -> None:
    sql, now = statements(store.driver.dialect, "builds"), store.now()
    with store.transaction() as tx:
        begun = tx.fetch(sql.begin_cleanup, {"job": each.job, "now": now, "before": now - _GIVEN_UP})
    if not begun:
        msg = f"build {each.job} is being cleaned up by {each.cleanup} just now"
        raise PreconditionFailed(msg)


def _mark(store: Store, statement: str, values: dict[str, Any]) -> None:
    with store.transaction() as tx:
        tx.execute(getattr(statements(store.driver.dialect, "builds"), statement), values)


def _result(tasks: Registry, codec: Codec, each: _Cleanup) -> Any:
    if each.task in tasks:
        return codec.decode_result(tasks.get(each.task).signature, each.result)
    return codec.decode_any(each.result)


def _call(task: Task[..., Any], result: Any) -> None:
    done = task.function(result)
    if task.is_async:
        import asyncio  # costs more to import than the rest of jobyard

        asyncio.run(done)
