"""What the tests of builds share: the builds of a yard, and a few made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.soundness import sound  # noqa: F401 - autouse

from jobyard import Yard
from jobyard.builds import Storage


@pytest.fixture
def builds(yard: Yard) -> Storage:
    """The builds of a yard on a new store of each kind, on the movable clock."""
    return yard.builds


@pytest.fixture
def finished(builds: Storage) -> Callable[..., int]:
    """Makes a build and finishes it."""

    def make(job_id: str = "job", **outcome: Any) -> int:
        build = builds.create_build(job_id)
        builds.finish_build(build, **outcome)
        return build

    return make
