"""``jobyard job list``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.data import job_data
from jobyard.cli.job.filters import JobChoice, choice_options
from jobyard.cli.params import count
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell, status_text
from jobyard.model.instants import from_micros
from jobyard.model.states import FINAL, HELD, Status

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["age", "list_jobs"]

_LIMIT = 100


@click.command("list", cls=Command)
@choice_options
@click.option("--limit", type=count, default=_LIMIT, show_default=True, help="At most so many; 0: all.")
@json_option
@pass_session
def list_jobs(session: Session, /, limit: int, as_json: bool, **chosen: Any) -> None:
    """
    List jobs, newest first.

    The column "age" says when a scheduled job is due, how long a running one has run, how long ago another one ended,
    and for the rest how long they have been there.

    \b
    Examples:
      jobyard job list
      jobyard job list --status failed --status canceled --since 1d
      jobyard job list --queue images --limit 0 --json
    """
    yard = session.yard()
    jobs = JobChoice(**chosen).find(yard, limit=limit or None)
    if as_json:
        output.print_json([job_data(job) for job in jobs])
        return
    now = from_micros(yard.store.now())
    table = output.table(
        "id", "status", "queue", "title", "age", "attempt", "worker", cut="title", right=("id", "attempt")
    )
    for job in jobs:
        table.add_row(
            str(job.id), status_text(job.status), cell(job.queue), cell(job.title), age(job, now), str(job.attempt),
            cell(job.worker or "-"),
        )  # fmt: skip
    output.show_table(table, empty="no jobs")
    if len(jobs) == limit:
        output.warn(f"the newest {limit}; --limit shows more")


def age(job: Job[Any], now: datetime) -> str:
    """What the clock says about a job, by its status."""
    if job.status is Status.SCHEDULED:
        return format.ago(job.due, now)
    if job.status in HELD and job.started_at is not None:
        return f"for {format.length((now - job.started_at).total_seconds())}"
    if job.status in FINAL and job.ended_at is not None:
        return format.ago(job.ended_at, now)
    return format.length((now - job.received_at).total_seconds())
