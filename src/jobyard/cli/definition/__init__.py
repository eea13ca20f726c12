"""``jobyard definition``: named recipes for jobs, their builds and their schedules."""

from __future__ import annotations

import click

from jobyard.cli.command import Noun
from jobyard.cli.definition import actions, change, file, graph, listing, log, show

__all__ = ["command"]


@click.command(cls=Noun, name="definition")
def command() -> None:
    """
    Load definitions of jobs, look at them, build them, and steer what runs by itself.

    \b
    Examples:
      jobyard --app shop.jobs definition check jobs.yaml
      jobyard --app shop.jobs definition load jobs.yaml
      jobyard definition list
      jobyard definition build report --deps
      jobyard definition pause report
    """


for verb in (
    listing.list_definitions,
    show.show,
    graph.graph,
    file.check,
    file.load,
    file.dump,
    change.change,
    actions.build,
    actions.request,
    actions.pause,
    actions.resume,
    actions.retire,
    actions.delete,
    actions.delete_build,
    log.log,
):
    command.add_command(verb)
