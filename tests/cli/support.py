"""Running the command line as users do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from jobyard.cli import cli

__all__ = ["ROOT", "Jobyard", "environment", "start"]

ROOT = Path(__file__).parents[2]


class Jobyard:
    """Runs commands in this process, on one store and with the shop as the application."""

    def __init__(self, url: str, app: str = "tests.cli.shop") -> None:
        self.url = url
        self.app = app

    def __call__(self, *args: str, app: bool = False, input: str | None = None) -> Result:
        sys.modules.pop(self.app, None)  # its yard is made by the settings of this command
        chosen = ["--app", self.app] if app else []
        result = CliRunner().invoke(cli, ["--url", self.url, *chosen, *args], input=input, prog_name="jobyard")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def done(self, *args: str, app: bool = False) -> str:
        """The output of a command that must succeed."""
        result = self(*args, app=app)
        assert result.exit_code == 0, result.output
        return result.stdout

    def data(self, *args: str, app: bool = False) -> Any:
        """The JSON of a command, whatever its exit code."""
        return json.loads(self(*args, "--json", app=app).stdout)

    def enqueue(self, task: str, *args: str) -> int:
        """Enqueue a job of the shop."""
        return int(self.done("enqueue", task, *args, app=True))

    def work(self) -> Result:
        """Run all that is ready."""
        return self("worker", "--until-idle", app=True)


def environment(**more: str) -> dict[str, str]:
    """The environment for a process of its own, without settings of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("JOBYARD_", "NOTIFY_"))}
    return {**own, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **more}


def start(*args: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """``python -m jobyard`` as a process of its own, which Ctrl-C reaches even if the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored signals are inherited, handled ones not
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment(), **options}
    try:
        return subprocess.Popen([sys.executable, "-m", "jobyard", *args], cwd=cwd, **options)
    finally:
        signal.signal(signal.SIGINT, before)
