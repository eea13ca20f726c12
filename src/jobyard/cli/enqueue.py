"""``jobyard enqueue``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.data import job_data
from jobyard.cli.failure import FAILED
from jobyard.cli.names import QUEUES, TASKS
from jobyard.cli.params import due, duration, json_value, named_json, parent
from jobyard.cli.patience import wait_for
from jobyard.cli.session import Session, pass_session
from jobyard.model.codec import from_json
from jobyard.model.states import Status

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["command"]

_UNIQUE = "\0"
"""``--unique`` without a key; no key of a user's can be this."""


@click.command("enqueue", cls=Command)
@click.argument("task", shell_complete=TASKS)
@click.option("--arg", "args", type=json_value, multiple=True, metavar="JSON", help="The next argument by position.")
@click.option("--kwarg", "kwargs", type=named_json, multiple=True, metavar="NAME=JSON", help="An argument by name.")
@click.option("--queue", metavar="NAME", shell_complete=QUEUES, help="The queue; by default the task's.")
@click.option("--priority", type=click.IntRange(-20, 19), help="From -20 (most urgent) to 19.")
@click.option("--due", type=due, metavar="WHEN", help="Not before a time like 2025-11-03T09:30, or a wait like 5m.")
@click.option(
    "--after", type=parent, multiple=True, metavar="ID[:STATUS,...]",
    help="Wait for this job to succeed, or to end in one of these statuses; may be repeated.",
)  # fmt: skip
@click.option(
    "--unique", is_flag=False, flag_value=_UNIQUE, metavar="[KEY]",
    help="At most one unfinished job with this key; without one: of this task with these arguments.",
)  # fmt: skip
@click.option("--token", metavar="TEXT", help="A repeat with the same token gives the first job.")
@click.option("--title", metavar="TEXT", help="What people see in place of the task's name.")
@click.option("--requester", metavar="NAME", help="Who asks for it; by default --user, if that is given.")
@click.option("--tag", "tags", multiple=True, metavar="NAME", help="A tag; may be repeated.")
@click.option("--expires", type=duration, metavar="DURATION", help="Cancel it if it has not begun by then.")
@click.option("--wait", is_flag=True, help="Wait for its end and print its result; 1 unless it succeeded.")
@click.option("--timeout", type=duration, metavar="DURATION", help="How long --wait waits.")
@setting_options(("user",))
@json_option
@pass_session
def command(
    session: Session,
    /,
    task: str,
    args: tuple[Any, ...],
    kwargs: tuple[tuple[str, Any], ...],
    as_json: bool,
    wait: bool,
    timeout: float | None,
    requester: str | None,
    **options: Any,
) -> None:
    """
    Store a job and print its id.

    The arguments are JSON and are checked against the annotations of the task before anything is stored.

    \b
    Examples:
      jobyard --app shop.jobs enqueue shop.jobs:thumbnail --arg '"cat.png"' --kwarg width=100
      jobyard --app shop.jobs enqueue shop.jobs:report --due 6h --after 12 --after 13:succeeded,failed
      jobyard --app shop.jobs enqueue shop.jobs:total --arg '[1, 2]' --wait
    """
    found = session.app(may_be_new=True).tasks.get(task)
    positional, named = from_json(found.signature, args, dict(kwargs))
    requester = requester or session.given.get("user")
    job: Job[Any] = found.using(requester=requester, **_options(**options)).enqueue(*positional, **named)
    if job.existing:
        output.warn(f"job {job.id} existed already: it is {job.status}")
    if wait:
        wait_for([job], timeout)
    if as_json:
        output.print_json(job_data(job))
    elif wait:
        output.print_json(job.result)
    else:
        output.line(job.id)
    if wait and job.status not in (Status.SUCCEEDED, Status.SKIPPED):
        raise click.exceptions.Exit(FAILED)


def _options(
    *,
    due: datetime | timedelta | None,
    after: tuple[tuple[int, set[str]], ...],
    unique: str | None,
    tags: tuple[str, ...],
    **plain: Any,
) -> Any:
    return {
        **plain,
        "due": due,
        "after": dict(after) or None,
        "unique": True if unique == _UNIQUE else unique,
        "tags": tags or None,
    }
