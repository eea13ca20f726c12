from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.support import Jobyard

from jobyard.store import open_store


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings come from the command line alone, and the folder has no jobyard.toml."""
    for name in list(os.environ):
        if name.startswith("JOBYARD_") and name != "JOBYARD_TEST_PG":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def jobyard(bare_url: str) -> Jobyard:
    """The command line on a new store of each kind."""
    with closing(open_store(bare_url)) as store:
        store.upgrade()
    return Jobyard(bare_url)


@pytest.fixture
def bare(bare_url: str) -> Jobyard:
    """The command line where a store of each kind can be made; nothing is there yet."""
    return Jobyard(bare_url)
