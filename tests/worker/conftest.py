from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from jobyard import Yard


@pytest.fixture
def connection(yard: Yard) -> Iterator[Any]:
    """A connection of the user's to the database of the yard, where the user has a table ``work (word)``."""
    yard.install()
    if yard.url.startswith("sqlite:"):
        own: Any = sqlite3.connect(yard.store.location, check_same_thread=False, timeout=20)
    else:
        server, _, schema = yard.url.rpartition("schema=")
        own = psycopg.connect(server.rstrip("?&"), options=f"-c search_path={schema}")
    own.execute("create table work (word text)")
    own.commit()
    yield own
    own.close()
