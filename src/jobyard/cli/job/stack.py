"""``jobyard job stack``: what a job does while it runs."""

from __future__ import annotations

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.params import duration, job_id
from jobyard.cli.session import Session, pass_session

__all__ = ["stack"]


@click.command(cls=Command)
@click.argument("id", type=job_id)
@click.option(
    "--timeout", type=duration, default=5.0, show_default="5s", help="How long to wait for its worker's answer."
)
@json_option
@pass_session
def stack(session: Session, /, id: int, timeout: float, as_json: bool) -> None:
    """
    Show where a running job is: its Python stack with the local variables.

    The worker that runs the job is asked, on whichever machine it is. Of an ended job it is the stack that was taken
    when it passed its timeout.

    \b
    Examples:
      jobyard job stack 12
    """
    found = session.yard().job(id).stack(timeout)
    if as_json:
        output.print_json(found)
    elif output.is_terminal():
        output.show(found)
    else:
        output.line(found)
