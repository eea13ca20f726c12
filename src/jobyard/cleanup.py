"""
What is called before a build is deleted: the clean-up of its definition, with its result.

It is called once, however the build ended, with None where it has no result; a build that never began has left nothing
behind. While it goes on nobody else calls it; when it raises, the build stays and is marked, and the next
one who deletes the build calls it again.
"""

from __future__ import annotations

import logging
from typing import Any

from jobyard.model.codec import Codec
from jobyard.model.text import escape
from jobyard.store import Store
from jobyard.store.cleanups import Cleanup
from jobyard.store.prune import Pruned, prune
from jobyard.task import Registry, Task

__all__ = ["clean_up_and_prune", "delete_build"]

_log = logging.getLogger("jobyard")
_AT_MOST = 100
"""Clean-ups that one prune calls."""


def delete_build(store: Store, tasks: Registry, codec: Codec, id: int, user: str | None) -> None:
    """Clean a build up and delete it, see `Definitions.delete_build`."""
    with store.read() as tx:
        if not store.builds.is_deletable(tx, id):
            return
    _clean_up(store, tasks, codec, id)
    with store.transaction() as tx:
        row = store.builds.delete(tx, id)
        if row is not None:
            store.events.add(tx, "delete", store.now(), user=user, job=id, definition=row.definition)
    store.driver.notify(everywhere=False)


def clean_up_and_prune(
    store: Store, tasks: Registry, codec: Codec, *, keep: float, keep_failed: float, now: int, dry_run: bool = False
) -> Pruned:
    """Delete what was kept for long enough, see `prune`; the builds among it are cleaned up before."""
    if not dry_run:
        _clean_up_old(store, tasks, codec, keep=keep, keep_failed=keep_failed, now=now)
    return prune(store, keep=keep, keep_failed=keep_failed, now=now, dry_run=dry_run)


def _clean_up(store: Store, tasks: Registry, codec: Codec, id: int) -> None:
    """
    Call the clean-up of a build that has begun, if it has one that was not called yet.

    Raises:
        UnknownTask: the clean-up is not known here.
        PreconditionFailed: somebody calls it just now.
        Exception: what it raised, after the build was marked.
    """
    with store.read() as tx:
        cleanup = store.cleanups.get(tx, id)
    if cleanup is None:
        return
    if cleanup.attempt:
        task = tasks.get(cleanup.function)
        with store.transaction() as tx:
            store.cleanups.begin(tx, cleanup, store.now())
        try:
            _call(task, _result(tasks, codec, cleanup))
        except BaseException as error:  # also Ctrl-C: else nobody could repeat the call for an hour
            with store.transaction() as tx:
                store.cleanups.fail(tx, id, escape(f"{type(error).__name__}: {error}"))
            raise
    with store.transaction() as tx:
        store.cleanups.end(tx, id)


def _clean_up_old(store: Store, tasks: Registry, codec: Codec, *, keep: float, keep_failed: float, now: int) -> None:
    """Clean up what a prune would delete next, as far as the tasks are known here."""
    usual, failed = now - round(keep * 1_000_000), now - round(keep_failed * 1_000_000)
    with store.read() as tx:
        old = store.cleanups.old(tx, usual=usual, failed=failed, now=now, limit=_AT_MOST)
    for id, function in old:
        if function not in tasks:
            continue
        try:
            _clean_up(store, tasks, codec, id)
        except Exception as error:
            _log.warning("the clean-up %s of build %d failed, and is repeated later: %s", function, id, error)


def _result(tasks: Registry, codec: Codec, cleanup: Cleanup) -> Any:
    if cleanup.task in tasks:
        return codec.decode_result(tasks.get(cleanup.task).signature, cleanup.result)
    return codec.decode_any(cleanup.result)


def _call(task: Task[..., Any], result: Any) -> None:
    done = task.function(result)
    if task.is_async:
        import asyncio  # costs more to import than the rest of jobyard

        asyncio.run(done)
