"""``jobyard prune``."""

from __future__ import annotations

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("prune", cls=Command)
@setting_options(("keep", "keep_failed", "user"))
@click.option("--dry-run", is_flag=True, help="Only say how much it would be.")
@json_option
@pass_session
def command(session: Session, /, dry_run: bool, as_json: bool) -> None:
    """
    Delete what is older than is kept: ended jobs, log lines and events.

    Workers do the same by themselves, a little at a time.

    \b
    Examples:
      jobyard prune --dry-run
      jobyard prune --keep 1d --keep-failed 7d
    """
    gone = session.yard().prune(dry_run=dry_run)
    if as_json:
        output.print_json(gone)
    else:
        output.line(f"{'would delete' if dry_run else 'deleted'} {gone}")
