"""
Does what a page of the documentation shows, in the order of the page, in a folder of its own.

A Python block that begins with a comment like ``# shop.py`` is that file, or its continuation; a TOML or
YAML block likewise.
``pycon`` is a session of its own. In ``console`` what stands after ``$`` is run, and what is shown below it must come;
a command with nothing below it must succeed. ``...`` stands for anything.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.(?:py|toml|yaml))\b.*\n")
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_SESSION = """
import doctest, sys
runner = doctest.DocTestRunner(verbose=False, optionflags=int(sys.argv[1]))
test = doctest.DocTestParser().get_doctest(sys.stdin.read(), {}, sys.argv[2], sys.argv[2], 0)
sys.exit(bool(runner.run(test).failed))
"""


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    language: str
    code: str
    where: str


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that name their language."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        indent, language, code = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        yield Block(language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE), f"{page.name}:{line}")


def walk(page: Path, folder: Path) -> int:
    """Do all that the page shows; returns how many blocks that were."""
    done = [block for block in blocks(page) if _do(block, folder)]
    return len(done)


def _do(block: Block, folder: Path) -> bool:
    if block.language in ("python", "toml", "yaml"):
        return _write(block, folder)
    if block.language == "pycon":
        _converse(block, folder)
        return True
    if block.language == "console":
        _type_in(block, folder)
        return True
    return False


def _write(block: Block, folder: Path) -> bool:
    named = _FILE.match(block.code)
    if named is None:
        if block.language == "python":
            compile(block.code, block.where, "exec")
        return False
    with (folder / named[1]).open("a", encoding="utf-8") as file:
        file.write(block.code + "\n\n")
    return True


def _converse(block: Block, folder: Path) -> None:
    command = [sys.executable, "-c", _SESSION, str(_FLAGS), block.where]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), input=block.code, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _type_in(block: Block, folder: Path) -> None:
    for step in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
        command, expected = _divided(step)
        done = subprocess.run(
            command, shell=True, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60,
        )  # fmt: skip
        said = f"{block.where}: $ {command}\n{done.stdout}"
        if expected.strip():
            assert doctest.OutputChecker().check_output(expected, done.stdout, _FLAGS), f"{said}\nexpected:\n{expected}"
        else:
            assert done.returncode == 0, said


def _divided(step: str) -> tuple[str, str]:
    """The command, which a backslash continues on the next line, and what is shown below it."""
    lines = step.splitlines(keepends=True)
    length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
    return "".join(lines[:length]).strip(), "".join(lines[length:])


def _environment() -> dict[str, str]:
    """Ours without settings of jobyard, and with its command first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "PYTHONPATH": ".", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
