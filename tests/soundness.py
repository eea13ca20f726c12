"""A look at the invariants after each test, for the folders that import it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobyard import Yard
from jobyard.store.invariants import check_invariants

__all__ = ["sound"]


@pytest.fixture(autouse=True)
def sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test did to its yard left it sound, but for workers that fell silent when the clock was moved (I14)."""
    yard: Yard | None = request.getfixturevalue("yard") if "yard" in request.fixturenames else None
    yield
    if yard is not None and yard.store.driver.is_there:
        found = check_invariants(yard.store, now=yard.store.now(), lost_after=30, max_crashes=3)
        assert [violation for violation in found if violation.id != "I14"] == []
