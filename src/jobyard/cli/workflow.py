"""``jobyard workflow``: the operations of work on machines, one command each, for runners in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option, setting_options
from jobyard.cli.data import job_data
from jobyard.cli.failure import FAILED
from jobyard.cli.names import DEFINITIONS, MACHINES, QUEUES
from jobyard.cli.params import duration, job_id
from jobyard.cli.session import Session, pass_session
from jobyard.model.definition import ResultStatus

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["command"]

_definition = click.argument("definition", shell_complete=DEFINITIONS)
_job = click.argument("job", metavar="JOB", type=job_id)
_user = setting_options(("user",))
_EPOCH = "Which run of the job, as `start` and `take` print it; refused once the job was reclaimed from it."
_epoch = click.option("--epoch", type=click.IntRange(min=1), metavar="N", help=_EPOCH)


@click.command(cls=Noun, name="workflow")
def command() -> None:
    """
    Run the jobs of definitions on machines, from any program.

    A runner takes a job, beats while it runs, and finishes it. Each operation is refused, with 1 and the reason, when
    it comes at the wrong moment; nothing is written then.

    \b
    Examples:
      jobyard workflow take build7 --limit 3 --json
      jobyard workflow heartbeat 12 --logtail "42 of 100"
      jobyard workflow finish 12 success --log - < import.log
    """


@command.command("new")
@_definition
@click.option("--interval", type=duration, metavar="DURATION", help="From the start of the newest result to this job.")
@_user
@json_option
@pass_session
def new(session: Session, /, definition: str, interval: float | None, as_json: bool) -> None:
    """
    Make the next job of an active definition that has none.

    \b
    Examples:
      jobyard workflow new kernel --interval 2h
    """
    _show(session.yard().workflow.new_job(definition, interval), as_json)


@command.command("delete")
@_definition
@_user
@json_option
@pass_session
def delete(session: Session, /, definition: str, as_json: bool) -> None:
    """
    Cancel the pending job of a definition that is not active; it is no result.

    \b
    Examples:
      jobyard workflow delete kernel
    """
    _show(session.yard().workflow.delete_pending_job(definition), as_json)


@command.command("request")
@_job
@_user
@json_option
@pass_session
def request(session: Session, /, job: int, as_json: bool) -> None:
    """
    Have a pending job run as soon as possible, ahead of automatic ones.

    \b
    Examples:
      jobyard workflow request 12 --user alice
    """
    _show(session.yard().workflow.request_job(job), as_json)


@command.command("take")
@click.argument("machine", shell_complete=MACHINES)
@click.option("--limit", type=click.IntRange(min=0), default=3, show_default=True, help="At most so many at a time.")
@click.option("--queue", metavar="NAME", shell_complete=QUEUES, help="Only of this queue.")
@_user
@json_option
@pass_session
def take(session: Session, /, machine: str, limit: int, queue: str | None, as_json: bool) -> None:
    """
    Start the best job that is due on a machine, if there is one; else exit with 1.

    Stale jobs of all machines are reclaimed first. A machine that nobody knew is made.

    \b
    Examples:
      jobyard workflow take build7 --limit 3 --queue imports
    """
    job = session.yard().workflow.get_job_for_machine(machine, limit, queue)
    if job is None:
        if as_json:
            output.print_json(None)
        output.warn(f"no job for machine {machine}")
        raise click.exceptions.Exit(FAILED)
    _show(job, as_json)


@command.command("start")
@_job
@click.argument("machine", shell_complete=MACHINES)
@_user
@json_option
@pass_session
def start(session: Session, /, job: int, machine: str, as_json: bool) -> None:
    """
    Say that a machine is about to work on a job.

    \b
    Examples:
      jobyard workflow start 12 build7
    """
    _show(session.yard().workflow.start_job(job, machine), as_json)


@command.command("heartbeat")
@_job
@click.option("--logtail", default="", metavar="TEXT", help="The last few lines of its output.")
@_epoch
@_user
@json_option
@pass_session
def heartbeat(session: Session, /, job: int, logtail: str, epoch: int | None, as_json: bool) -> None:
    """
    Say that a job still runs. If it is canceling, end the run and finish it as killed.

    \b
    Examples:
      jobyard workflow heartbeat 12 --logtail "42 of 100"
    """
    _show(session.yard().workflow.update_heartbeat(job, logtail, epoch=epoch), as_json)


@command.command("finish")
@_job
@click.argument("status", metavar="STATUS", type=click.Choice([status.value for status in ResultStatus]))
@click.option("--log", type=click.File("rb"), metavar="FILE", help="What the run has said; - for standard input.")
@_epoch
@_user
@json_option
@pass_session
def finish(session: Session, /, job: int, status: str, log: BinaryIO | None, epoch: int | None, as_json: bool) -> None:
    """
    End a running job; its definition gets its next one.

    STATUS is success, success_nochange, success_partial, failure, internal_failure, failure_invalid,
    failure_unsupported_feature, failure_forbidden, failure_remote_broken, reclaimed or killed.

    \b
    Examples:
      jobyard workflow finish 12 success --log - < import.log
      jobyard workflow finish 12 failure_remote_broken
    """
    _show(session.yard().workflow.finish_job(job, status, log, epoch=epoch), as_json)


@command.command("reclaim")
@_job
@_user
@json_option
@pass_session
def reclaim(session: Session, /, job: int, as_json: bool) -> None:
    """
    Take a running job from whoever has it; its definition gets one that is due now.

    One that is canceling ends as killed, and the next is due as after any failure.

    \b
    Examples:
      jobyard workflow reclaim 12
    """
    _show(session.yard().workflow.reclaim_job(job), as_json)


def _show(job: Job[Any], as_json: bool) -> None:
    if as_json:
        output.print_json({**job_data(job), "epoch": job.epoch})
        return
    name = f"job {job.id} of definition {job.definition}" if job.definition else f"job {job.id}"
    place = f" on {job.machine}, epoch {job.epoch}" if job.status in ("running", "canceling") else ""
    due = f", due {format.instant(job.due)}" if job.status in ("scheduled", "queued") else ""
    output.line(f"{name} is {job.status}{place}{due}")
