"""A call of another subject, under circumstances: a snapshot that is held, a slow network, a look at the WAL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from bench.child import resolve
from bench.runner import ROOT

__all__ = ["far", "proxy", "settle", "snapshot", "wal"]

DELAY_S = 0.001
_WRITTEN = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
Figures = dict[str, float]


def snapshot(url: str, call: str, **arguments: object) -> Figures | None:
    """While another session holds a snapshot, as a dump or a forgotten transaction does."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("begin isolation level repeatable read")
        other.execute("select count(*) from pg_class")
        return resolve(call)(url, **arguments)


def wal(url: str, call: str, count: int) -> Figures:
    """How much of the write-ahead log *count* jobs take, all of the server's in that time."""
    with psycopg.connect(url, autocommit=True) as other:
        before = other.execute(_WRITTEN).fetchone()
        resolve(call)(url, count=count)
        after = other.execute(_WRITTEN).fetchone()
    assert before
    assert after
    return {"wal_bytes": float(after[0] - before[0]) / count}


def far(url: str, call: str, **arguments: object) -> Figures | None:
    """Over a network whose round trip takes 2 ms."""
    parts = urlsplit(url)
    with _proxy(parts.port or 5432) as port:
        there = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
        os.environ["JOBYARD_URL"] = there  # nothing of ours is imported yet
        return resolve(call)(there, **arguments)


@contextmanager
def _proxy(port: int) -> Iterator[int]:
    """In a process of its own, so that it does not wait for the interpreter of the one that is measured."""
    command = [sys.executable, "-c", f"from {__name__} import proxy; proxy({port})"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield int(process.stdout.readline())
        process.stdin.close()


def proxy(port: int) -> None:
    """Delay what goes to this port of ours and back, until stdin is closed."""
    from tests.proxy import Proxy

    between = Proxy(port)
    between.delay = DELAY_S
    print(between.port, flush=True)
    sys.stdin.read()
    between.close()


def settle(url: str) -> None:
    """Have done now what a server does after a bulk load, in its own time."""
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("vacuum analyze")
        other.execute("checkpoint")
