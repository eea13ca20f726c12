"""``jobyard definition log``."""

from __future__ import annotations

import sys

import click

from jobyard.cli import output
from jobyard.cli.command import Command
from jobyard.cli.failure import Failure
from jobyard.cli.job.log import entry_line, entry_text
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.params import job_id
from jobyard.cli.session import Session, pass_session

__all__ = ["log"]


@click.command(cls=Command)
@click.argument("name", shell_complete=DEFINITIONS)
@click.option("--job", "id", type=job_id, metavar="ID", help="Of this run; by default of the newest.")
@pass_session
def log(session: Session, /, name: str, id: int | None) -> None:
    """
    Print the log of a run: the one that a foreign runner left, else the lines that a worker stored.

    \b
    Examples:
      jobyard definition log report
      jobyard definition log report --job 12
    """
    yard = session.yard()
    definition = yard.definitions.get(name)
    if id is None:
        newest = definition.results(limit=1)
        id = newest[0].job.id if newest else None
    if id is None:
        msg = f"definition {name} has no results"
        raise Failure(msg)
    job = yard.job(id)
    if job.definition != name:
        msg = f"job {id} is no run of {name}"
        raise Failure(msg)
    file = yard.definitions.log_of(id)
    if file is not None:
        sys.stdout.buffer.write(file)
        sys.stdout.flush()
        return
    for entry in job.get_log_entries():
        if output.is_terminal():
            output.show(entry_text(entry))
        else:
            output.line(entry_line(entry))
