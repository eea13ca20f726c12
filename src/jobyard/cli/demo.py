"""``jobyard demo``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from jobyard.cli.command import Command

__all__ = ["command"]


@click.command("demo", cls=Command)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("census"), show_default=True,
    help="Where the jobs, the report and the chart are left.",
)  # fmt: skip
def command(folder: Path) -> None:
    """
    Take a census of Python's standard library, as jobs, live.

    One job finds the source files, many read them, and one writes the report when all of them have ended.

    \b
    Examples:
      jobyard demo
      jobyard demo --folder /tmp/census
    """
    raise click.exceptions.Exit(import_module("jobyard.demo").run(folder))
