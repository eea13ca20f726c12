"""
The command line: one file, or folder, per noun.

Exit codes: 0 done, 1 refused or failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import sys

import click

from jobyard.cli.command import Root

__all__ = ["cli", "main"]

NOUNS = [
    *("worker", "enqueue", "run", "task", "queue", "job", "definition", "machine", "workflow", "run-external"),
    *("event", "demo", "db", "prune", "doctor", "config", "completion"),
]

_SHOWN_SETTINGS = ("busy_timeout", "user", "log_level")


@click.command(cls=Root, nouns=NOUNS, shown=_SHOWN_SETTINGS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jobyard", message="%(prog)s %(version)s")
def cli() -> None:
    """
    A durable job system: run workers, enqueue jobs, and look at them.

    The jobs lie where --url says, by default in jobyard.db in the working directory. Commands that run or check
    your tasks need --app too. Every setting may also stand in jobyard.toml or in the environment, as
    $JOBYARD_URL and the like; `jobyard config check` shows what is in force and why.

    \b
    Examples:
      jobyard --app shop.jobs worker
      jobyard --app shop.jobs enqueue shop.jobs:thumbnail --arg '"cat.png"'
      jobyard job list --status failed
      jobyard job watch 12
    """


def main() -> None:
    """The entry point of the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character shows its number
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="jobyard")
