"""A site for each test: a folder, a store, and programs around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.life.processes import Site


@pytest.fixture
def site(tmp_path: Path, url: str) -> Iterator[Site]:
    site = Site(tmp_path, url)
    yield site
    site.close()
