"""The pytest plugin: the fixture ``yard``, see `jobyard.testing`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobyard import Yard


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("jobyard_app", "the yard of the application, as module:name, for the fixture `yard`")


@pytest.fixture
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Yard]:
    """The yard of the application, on an empty store and a clock that stands still until it is moved."""
    from jobyard.config import load_settings  # within: pytest loads the plugin also for who has no use for it
    from jobyard.testing import Clock
    from jobyard.yard import Yard

    url = f"sqlite:///{tmp_path / 'jobyard.db'}?synchronous=normal"
    app = request.config.getini("jobyard_app") or load_settings().app
    found = resolve_name(app) if app else Yard(url)
    if not isinstance(found, Yard):
        msg = f"{app} is {found!r} and no Yard: name the yard of the application, as module:name"
        raise pytest.UsageError(msg)
    with found.at(url, clock=Clock()):
        yield found
