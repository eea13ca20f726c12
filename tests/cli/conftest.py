from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.support import Jobyard


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings come from the command line alone, and the folder has no jobyard.toml."""
    for name in list(os.environ):
        if name.startswith("JOBYARD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def jobyard(tmp_path: Path) -> Jobyard:
    return Jobyard(f"sqlite:///{tmp_path}/jobyard.db")
