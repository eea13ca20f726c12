"""``jobyard job``: what became of the jobs, and what should."""

from __future__ import annotations

import click

from jobyard.cli.command import Noun
from jobyard.cli.job import actions, listing, log, show, stack, watch, why

__all__ = ["command"]


@click.command(cls=Noun, name="job")
def command() -> None:
    """
    List, show, watch and steer jobs.

    \b
    Examples:
      jobyard job list --status failed --since 1d
      jobyard job show 12
      jobyard job why 12
      jobyard job retry --status failed --queue images --dry-run
    """


for verb in (
    listing.list_jobs,
    show.show,
    watch.watch,
    watch.wait,
    log.log,
    why.why,
    stack.stack,
    actions.cancel,
    actions.retry,
    actions.suspend,
    actions.resume,
    actions.priority,
    actions.run_now,
):
    command.add_command(verb)
