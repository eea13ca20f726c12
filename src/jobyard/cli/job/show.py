"""``jobyard job show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.data import job_data, plain
from jobyard.cli.failure import Failure
from jobyard.cli.params import count, job_id
from jobyard.cli.session import Session, pass_session
from jobyard.errors import UnknownJob

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["show"]


@click.command(cls=Command)
@click.argument("ids", metavar="ID...", type=job_id, nargs=-1, required=True)
@click.option("--log", "lines", type=count, default=10, show_default=True, help="So many last log lines.")
@json_option
@pass_session
def show(session: Session, /, ids: tuple[int, ...], lines: int, as_json: bool) -> None:
    """
    Show all there is to know about jobs.

    That is status, times, ops, attempts, progress, the end of the log, what a job waits for, its result, and the
    traceback of its error with the local variables.

    \b
    Examples:
      jobyard job show 12
      jobyard job show 12 --log 50
      jobyard job show 12 --json
    """
    from jobyard.cli.job.view import cleanup_view, job_view

    yard = session.yard()
    shown, missing = [], []
    for id in ids:
        try:
            job = yard.job(id)
        except UnknownJob as error:
            missing.append(str(error))
            continue
        cleanup_error = yard.builds.get_build(id)["cleanup_error"] if job.definition else None
        if as_json:
            shown.append({**_data(job), "cleanup_error": cleanup_error})
            continue
        output.show(*job_view(job, yard.store.now(), lines))
        if cleanup_error:
            output.show(*cleanup_view(job, cleanup_error))
    if as_json:
        output.print_json(shown[0] if len(ids) == 1 and shown else shown)
    if missing:
        raise Failure("; ".join(missing))


def _data(job: Job[Any]) -> dict[str, Any]:
    return {**job_data(job), "why": plain(job.why()), "log": plain(job.get_log_entries())}
