"""``jobyard job why``: what keeps a job from running."""

from __future__ import annotations

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.params import job_id
from jobyard.cli.session import Session, pass_session
from jobyard.model.states import FINAL

__all__ = ["why"]


@click.command(cls=Command)
@click.argument("id", type=job_id)
@json_option
@pass_session
def why(session: Session, /, id: int, as_json: bool) -> None:
    """
    Say why a job does not run.

    It may wait for its time, other jobs, a paused queue, a worker that serves its queue and knows its task, a free
    slot, or for somebody to resume it.

    \b
    Examples:
      jobyard job why 12
      jobyard job why 12 --json
    """
    job = session.yard().job(id)
    reasons = job.why()
    if as_json:
        output.print_json(reasons)
        return
    for reason in reasons:
        output.line(reason.text)
    if not reasons:
        ended = job.status in FINAL
        output.line(f"job {id} is {job.status}" if ended else f"job {id} is {job.status}: nothing holds it up")
