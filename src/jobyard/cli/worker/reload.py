"""``--reload``: start again when the application's source has changed."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Reloader"]


class Reloader:
    """
    Looks at the modules of the application, those that belong to no installed package, and stops the worker.

    A file that is broken for the moment starts nothing: the worker goes on with the code it has.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._seen = _ages()
        self.changed = False
        """The program is to be started again."""

    def look(self, say: Callable[[str], None]) -> None:
        """Compare the files with what they were at the last look."""
        if self.changed:
            return
        now = _ages()
        files = [file for file, age in now.items() if self._seen.get(file, age) != age]
        self._seen = now
        if not files:
            return
        if broken := _first_broken(files):
            say(f"{broken}; the worker goes on with the code it has")
            return
        say(f"{', '.join(file.name for file in files)} changed: starting again")
        self.changed = True
        self._stop()

    def start_again(self) -> None:
        """Become a new process with the same command line; does not return."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line


def _ages() -> dict[Path, int]:
    return {file: age for file in _sources() if (age := _age(file)) is not None}


def _sources() -> Iterator[Path]:
    installed = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
    own = str(Path(__file__).parents[2])
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and not file.startswith((*installed, own)):
            yield Path(file)


def _age(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None  # being replaced just now


def _first_broken(files: list[Path]) -> str | None:
    for file in files:
        try:
            compile(file.read_bytes(), str(file), "exec")
        except (OSError, SyntaxError, ValueError) as error:
            return f"{file.name}: {error}"
    return None
