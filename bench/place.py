"""Where a subject runs: a fresh store of its own, by kind. Another database is one more function here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

__all__ = ["FOLDER", "PLACES"]

FOLDER = Path(__file__).parent.parent / "build" / "bench"
"""In the working copy, since the usual folder for temporary files may lie in memory, where an fsync costs nothing."""


@contextmanager
def _sqlite() -> Iterator[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield f"sqlite:///{folder}/bench.db"


PLACES: dict[str, Callable[[], AbstractContextManager[str]]] = {"sqlite": _sqlite}
"""By kind of store, what gives the URL of a new and empty one, and takes it away afterwards."""
