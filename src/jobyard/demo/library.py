"""Where the standard library is, and which files are in it."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

__all__ = ["folder_of_library", "source_files"]

_NOT_PART = frozenset({"site-packages", "dist-packages", "__pycache__"})


def folder_of_library() -> Path:
    """The folder of the running Python's standard library, also where that runs in a virtual environment."""
    return Path(sysconfig.get_path("stdlib"))


def source_files(library: Path) -> list[str]:
    """The source files, sorted, as paths relative to the library; what is installed beside it is left out."""
    return sorted(file.relative_to(library).as_posix() for file in _walk(library))


def _walk(library: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name not in _NOT_PART]
        for name in files:
            file = Path(folder, name)
            if name.endswith(".py") and file.is_file():  # Debian links to files that are not always installed
                yield file
