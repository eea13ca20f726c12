"""Workers that wait for work, and what the server counts meanwhile."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack

import psycopg

from bench.app import noop, yard
from bench.measurement import step
from bench.runner import ROOT, command

__all__ = ["idle"]

SETTLE_S = 2.0
_COUNTED = """
select xact_commit + xact_rollback, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
from pg_stat_database where datname = current_database()
"""


def idle(url: str, workers: int, seconds: float) -> dict[str, float]:
    """Transactions and bytes of the write-ahead log a second of as many workers, each a process."""
    yard.install()
    with ExitStack() as stack, psycopg.connect(url, autocommit=True) as other:
        for _ in range(workers):
            _start(stack, url)
            noop.enqueue().wait(30)
        time.sleep(SETTLE_S)
        transactions, written = _counted(other)
        time.sleep(seconds)
        transactions_after, written_after = _counted(other)
    return {
        "transactions_per_s": (transactions_after - transactions) / seconds,
        "bytes_per_s": (written_after - written) / seconds,
    }


def _counted(connection: psycopg.Connection) -> tuple[int, float]:
    row = connection.execute(_COUNTED).fetchone()
    assert row
    return row[0], float(row[1])


def _start(stack: ExitStack, url: str) -> None:
    worker = subprocess.Popen(command(step("bench.subjects.jobyard_yard:serve"), url), cwd=ROOT)
    stack.callback(worker.wait, 30)
    stack.callback(worker.terminate)
