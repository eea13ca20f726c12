"""What tests of every folder are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests import postgres

from jobyard import Yard
from jobyard.store import Store, open_store
from jobyard.testing import Clock

KINDS = ["sqlite", "postgres"]


def pytest_configure() -> None:
    """In xdist's controller first, which hands its environment to the workers."""
    postgres.run()


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """One of the module's own, which its tests may stop."""
    if postgres.GIVEN:
        pytest.skip("JOBYARD_TEST_PG names a server that is not for tests to stop")
    server = postgres.Server()
    yield server
    server.remove()


@pytest.fixture
def clock() -> Clock:
    """A clock that moves when told."""
    return Clock(datetime(2026, 1, 1, tzinfo=UTC))


@contextmanager
def _place(kind: str, file: Path) -> Iterator[str]:
    """The URL of a store of this kind, where nothing is yet."""
    if kind == "sqlite":
        yield f"sqlite:///{file}"
    else:
        with postgres.schema(postgres.shared()) as url:
            yield url


@pytest.fixture(params=KINDS)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new store can be made; nothing is there yet."""
    with _place(request.param, tmp_path / "jobyard.db") as url:
        yield url


@pytest.fixture(params=KINDS)
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a second one can be made, of the same kind or the other."""
    with _place(request.param, tmp_path / "other.db") as url:
        yield url


@pytest.fixture
def url(bare_url: str) -> str:
    """Where a new and empty store is, or will be with its first use."""
    if not bare_url.startswith("sqlite:"):
        new = open_store(bare_url)
        new.upgrade()
        new.close()
    return bare_url


@pytest.fixture
def bare_store(bare_url: str, clock: Clock) -> Iterator[Store]:
    """The store of each kind where nothing is installed."""
    store = open_store(bare_url, busy_timeout=10, clock=clock)
    yield store
    store.close()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """A new store of each kind, on the movable clock."""
    store = open_store(url, busy_timeout=10, clock=clock)
    yield store
    store.close()


@pytest.fixture
def make_yard(url: str, clock: Clock) -> Iterator[Callable[..., Yard]]:
    """Makes yards on one new store of each kind; with the movable clock unless told otherwise (``clock=None``)."""
    yards: list[Yard] = []

    def make(**settings: Any) -> Yard:
        yards.append(Yard(url, **{"clock": clock, "user": "ann", "heartbeat": 1, "cancel_grace": 0.1, **settings}))
        return yards[-1]

    yield make
    for yard in yards:
        yard.close()


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """A yard on a new store of each kind, on the movable clock."""
    return make_yard()
