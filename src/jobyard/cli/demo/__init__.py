"""``jobyard demo``."""

from __future__ import annotations

from pathlib import Path

import click

from jobyard.cli.command import Command
from jobyard.cli.failure import WrongUse
from jobyard.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("demo", cls=Command)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), default=Path("census"), show_default=True,
    help="Where the jobs, the report and the chart are left.",
)  # fmt: skip
@pass_session
def command(session: Session, folder: Path) -> None:
    """
    Take a census of Python's standard library, as jobs, live.

    One job finds the source files, many read them, and one writes the report when all of them have ended. The jobs of
    an earlier census in the folder are deleted.

    \b
    Examples:
      jobyard demo
      jobyard demo --folder /tmp/census
    """
    if alien := {"url", "app"} & session.given.keys():
        msg = f"--{min(alien)}: the demo brings its own yard, and --folder says where its jobs lie"
        raise WrongUse(msg)
    from jobyard.cli.demo.run import run

    raise click.exceptions.Exit(run(session, folder))
