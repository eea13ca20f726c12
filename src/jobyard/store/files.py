"""The logs of runs by foreign runners, compressed, one a job."""

from __future__ import annotations

import zlib

from jobyard.store.driver import Transaction
from jobyard.store.sql import Statements

__all__ = ["Files"]


class Files:
    """Reads and writes logs within a transaction."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    def put(self, tx: Transaction, job: int, log: bytes, now: int) -> None:
        """Keep the log of a job; an empty one is none."""
        if log:
            tx.execute(self._sql.put, {"job": job, "data": zlib.compress(log), "now": now})

    def get(self, tx: Transaction, job: int) -> bytes | None:
        """The log of a job; None if it has none."""
        rows = tx.fetch(self._sql.get, {"job": job})
        return zlib.decompress(rows[0][0]) if rows else None
