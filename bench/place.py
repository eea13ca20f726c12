"""Where a subject runs: a fresh store of its own, by kind. Another database is one more function here."""

from __future__ import annotations

import atexit
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.postgres import Server

__all__ = ["FOLDER", "PLACES"]

FOLDER = Path(__file__).parent.parent / "build" / "bench"
"""In the working copy, since the usual folder for temporary files may lie in memory, where an fsync costs nothing."""

_LASTING = Path("/var/tmp")
"""On a disk too, and the user that a server has when we are root can get there."""


@contextmanager
def _sqlite() -> Iterator[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield f"sqlite:///{folder}/bench.db"


@contextmanager
def _postgres() -> Iterator[str]:
    """A database, not only a schema: peers have tables, types and channels of fixed names."""
    import psycopg  # not above: it would count in the memory of every subject

    server, name = _server(), f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        connection.execute("checkpoint")  # what the one before left to write is not to be paid by the next
        try:
            yield server.url.removesuffix("/postgres") + f"/{name}"
        finally:
            connection.execute(f"drop database {name} with (force)")


@cache
def _server() -> Server:
    """One for the whole run: a server's defaults, with memory enough for all that is measured."""
    from tests.postgres import Server  # it brings psycopg

    server = Server(
        _LASTING if _LASTING.is_dir() else None,
        fsync="on",
        shared_buffers="512MB",
        max_connections="100",
        autovacuum_naptime="1min",
    )
    atexit.register(server.remove)
    return server


PLACES: dict[str, Callable[[], AbstractContextManager[str]]] = {"sqlite": _sqlite, "postgres": _postgres}
"""By kind of store, what gives the URL of a new and empty one, and takes it away afterwards."""
