"""``jobyard run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.data import job_data
from jobyard.cli.definition.actions import build_all, build_options
from jobyard.cli.failure import FAILED
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.params import duration
from jobyard.cli.patience import wait_for
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import status_text
from jobyard.model.states import Status

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["command"]


@click.command("run", cls=Command)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=DEFINITIONS)
@build_options
@click.option("--here", is_flag=True, help="Run what is ready in this process too; needs --app.")
@click.option("--timeout", type=duration, metavar="DURATION", help="How long to wait.")
@setting_options(("user",))
@json_option
@pass_session
def command(
    session: Session, /, names: tuple[str, ...], here: bool, timeout: float | None, as_json: bool, **options: Any
) -> None:
    """
    Build definitions and wait for the builds; 1 unless all of them succeeded.

    \b
    Examples:
      jobyard run report
      jobyard --app shop.jobs run report --deps --here
    """
    yard = session.app() if here else session.yard()
    jobs = build_all(yard, names, **options)
    if here:
        yard.worker().run_until_idle()
    wait_for(jobs, timeout)
    if as_json:
        output.print_json([job_data(job) for job in jobs])
    else:
        _show(jobs)
    if any(job.status not in (Status.SUCCEEDED, Status.SKIPPED) for job in jobs):
        raise click.exceptions.Exit(FAILED)


def _show(jobs: list[Job[Any]]) -> None:
    from rich.text import Text

    for job in jobs:
        line = Text.assemble(f"{job.definition}: build {job.id} ", status_text(job.status))
        if job.error is not None:
            line.append(f", {job.error.summary}")
        output.show(line)
