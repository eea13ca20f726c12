"""Real processes beside the one that tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).parents[2]


def run(code: str, **values: Any) -> subprocess.Popen[str]:
    """Start a process that runs the code with these values as global names."""
    script = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + dedent(code)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def all_of(*processes: subprocess.Popen[str], timeout: float = 60) -> list[str]:
    """
    What the processes wrote to stdout, once all have ended.

    Raises:
        AssertionError: one of them failed; the text is what it wrote to stderr.
    """
    written = []
    for process in processes:
        output, errors = process.communicate(timeout=timeout)
        assert process.returncode == 0, errors
        written.append(output.strip())
    return written
