"""The clean-ups of builds: what is called before one is deleted, and who calls it just now."""

from __future__ import annotations

from typing import NamedTuple

from jobyard.errors import PreconditionFailed
from jobyard.store.driver import Transaction
from jobyard.store.sql import Statements

__all__ = ["Cleanup", "Cleanups"]

_GIVEN_UP = 3600 * 1_000_000
"""After this a clean-up that was begun and never ended is called again: its process died."""


class Cleanup(NamedTuple):
    """A build that has a clean-up which was not called yet, or failed."""

    job: int
    function: str
    """The name of the task that is called."""
    task: str
    """Whose annotations read the result; empty for one that was returned by hand."""
    result: str | None
    attempt: int
    """0: it has never begun."""


class Cleanups:
    """Reads and marks clean-ups within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def get(self, tx: Transaction, id: int) -> Cleanup | None:
        """The clean-up of a build, if it has one."""
        rows = tx.fetch(self._sql.get_cleanup, {"job": id})
        return Cleanup(*rows[0]) if rows else None

    def old(self, tx: Transaction, *, usual: int, failed: int, now: int, limit: int) -> list[tuple[int, str]]:
        """
        Builds that would be pruned but for their clean-ups, and the names of these; first those that did not fail.

        Args:
            usual: the instant before which they have ended.
            failed: the same for failed ones.
        """
        values = {"usual": usual, "failed": failed, "now": now, "limit": limit}
        return [(id, function) for id, function in tx.fetch(self._sql.old_cleanups, values)]

    def begin(self, tx: Transaction, cleanup: Cleanup, now: int) -> None:
        """Have it to oneself until `fail` or `end`. Raises `PreconditionFailed` while another has it."""
        if not tx.fetch(self._sql.begin_cleanup, {"job": cleanup.job, "now": now, "before": now - _GIVEN_UP}):
            msg = f"build {cleanup.job} is being cleaned up by {cleanup.function} just now"
            raise PreconditionFailed(msg)

    def fail(self, tx: Transaction, id: int, error: str) -> None:
        """It raised *error*, and may be called again."""
        tx.execute(self._sql.fail_cleanup, {"job": id, "error": error})

    def end(self, tx: Transaction, id: int) -> None:
        """It is done, and never called again."""
        tx.execute(self._sql.end_cleanup, {"job": id})
