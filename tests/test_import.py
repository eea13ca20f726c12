"""What a program that enqueues has to load: times differ from machine to machine, the modules do not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORT = "from jobyard import Yard, ctx, retval, Retry"
ENQUEUE = """
from jobyard import Retry, Yard, ctx, retval

yard = Yard(f"sqlite:///{folder}/jobs.db")

@yard.task(retry=Retry(3))
def add(a: int, b: int = 1) -> int:
    return a + b

add.enqueue(1, b=2)
yard.close()
"""

SLOW = {
    "asyncio",
    "click",
    "concurrent.futures",
    "cronsim",
    "difflib",
    "multiprocessing",
    "psycopg",
    "rich",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "tomllib",
    "yaml",
    "zoneinfo",
}
"""Modules of others that workers, the command line or few tasks need."""

OURS = {
    "jobyard.aio",
    "jobyard.builds",
    "jobyard.cleanup",
    "jobyard.cli",
    "jobyard.definitions",
    "jobyard.model.events",
    "jobyard.model.traceback",
    "jobyard.model.why",
    "jobyard.store.builds",
    "jobyard.store.cleanups",
    "jobyard.store.control",
    "jobyard.store.machines",
    "jobyard.store.postgres",
    "jobyard.store.prune",
    "jobyard.store.reclaim",
    "jobyard.store.settle",
    "jobyard.testing",
    "jobyard.worker",
    "jobyard.workflow",
    "jobyard.yard.link",
    "jobyard.yard.machines",
}
"""Those of jobyard that run jobs, look after them, or serve another surface."""


def loaded_by(program: str, folder: object) -> set[str]:
    """The modules that a fresh interpreter has after this program."""
    program = f"folder = {str(folder)!r}\n{program}\nimport sys\nprint(*sys.modules)"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=plain
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("program", [IMPORT, ENQUEUE], ids=["import", "enqueue"])
def test_who_enqueues_loads_little(program, tmp_path):
    before = loaded_by("", tmp_path)

    loaded = loaded_by(program, tmp_path) - before

    assert "jobyard.yard.yard" in loaded
    assert loaded & (SLOW | OURS) == set()


def test_the_name_alone_loads_but_the_errors(tmp_path):
    loaded = loaded_by("import jobyard", tmp_path)

    assert {name for name in loaded if name.startswith("jobyard")} == {"jobyard", "jobyard.errors"}


def test_help_loads_the_commands_but_nothing_that_they_run(tmp_path):
    program = "from jobyard.cli import cli\ncli(['--help'], standalone_mode=False)"

    loaded = loaded_by(program, tmp_path)

    assert "jobyard.cli.worker" in loaded
    assert not loaded & {
        "jobyard.yard",
        "jobyard.worker",
        "jobyard.definitions",
        "asyncio",
        "multiprocessing",
        "rich",
        "yaml",
    }
