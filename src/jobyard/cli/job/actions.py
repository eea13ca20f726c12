"""
What people do to jobs: cancel, retry, suspend, resume, priority, run-now.

Each job is tried, whatever became of the one before; one refusal is enough for exit code 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.failure import FAILED, Failure
from jobyard.cli.job.filters import JobChoice, choice_options
from jobyard.cli.params import job_id
from jobyard.cli.session import Session, pass_session
from jobyard.errors import UsageError
from jobyard.model.states import UNFINISHED, Status

if TYPE_CHECKING:
    from jobyard.model.job import Job
    from jobyard.yard import Yard

__all__ = ["cancel", "priority", "resume", "retry", "run_now", "suspend"]

Action = Callable[["Job[Any]"], tuple[bool, str]]

_ids = click.argument("ids", metavar="ID...", type=job_id, nargs=-1, required=True)
_ids_or_filters = click.argument("ids", metavar="[ID...]", type=job_id, nargs=-1)
_user = setting_options(("user",))
_dry_run = click.option("--dry-run", is_flag=True, help="Only say which jobs it would be.")


@click.command(cls=Command)
@_ids_or_filters
@choice_options
@_dry_run
@_user
@json_option
@pass_session
def cancel(session: Session, /, ids: tuple[int, ...], dry_run: bool, as_json: bool, **chosen: Any) -> None:
    """
    Cancel jobs, by their ids or by filters.

    A job that does not run is canceled at once; of one that runs the code is told, and how it ends decides. Filters
    without --status mean all unfinished jobs.

    \b
    Examples:
      jobyard job cancel 12 13
      jobyard job cancel --queue images --status queued --dry-run
    """
    found = _chosen(session.yard(), ids, JobChoice(**chosen), default=UNFINISHED)
    _act(session, found, lambda job: job.cancel(), "would cancel" if dry_run else None, as_json)


@click.command(cls=Command)
@_ids_or_filters
@choice_options
@_dry_run
@_user
@json_option
@pass_session
def retry(session: Session, /, ids: tuple[int, ...], dry_run: bool, as_json: bool, **chosen: Any) -> None:
    """
    Run ended jobs again, by their ids or by filters.

    They go on at the op that failed and get a full set of attempts. Filters without --status mean failed jobs.

    \b
    Examples:
      jobyard job retry 12
      jobyard job retry --task shop.jobs:thumbnail --since 2h
    """
    found = _chosen(session.yard(), ids, JobChoice(**chosen), default={Status.FAILED})
    _act(session, found, _verb("retry"), "would retry" if dry_run else None, as_json)


@click.command(cls=Command)
@_ids
@_user
@json_option
@pass_session
def suspend(session: Session, /, ids: tuple[int, ...], as_json: bool) -> None:
    """
    Put jobs aside until they are resumed; one that runs is refused.

    \b
    Examples:
      jobyard job suspend 12
    """
    _act(session, ids, _verb("suspend"), None, as_json)


@click.command(cls=Command)
@_ids
@_user
@json_option
@pass_session
def resume(session: Session, /, ids: tuple[int, ...], as_json: bool) -> None:
    """
    Let suspended jobs go on.

    \b
    Examples:
      jobyard job resume 12
    """
    _act(session, ids, _verb("resume"), None, as_json)


@click.command("run-now", cls=Command)
@_ids
@_user
@json_option
@pass_session
def run_now(session: Session, /, ids: tuple[int, ...], as_json: bool) -> None:
    """
    Make scheduled jobs due, ahead of the automatic ones of their priority.

    \b
    Examples:
      jobyard job run-now 12
    """
    _act(session, ids, _verb("run_now"), None, as_json)


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@_ids
@click.argument("priority", type=click.IntRange(-20, 19))
@_user
@json_option
@pass_session
def priority(session: Session, /, ids: tuple[int, ...], priority: int, as_json: bool) -> None:
    """
    Change the priority of jobs, from -20 (most urgent) to 19; the last number is the priority.

    It counts for the ops that have not begun.

    \b
    Examples:
      jobyard job priority 12 -5
      jobyard job priority 12 13 14 10
    """
    _act(session, ids, lambda job: job.change_priority(priority), None, as_json)


def _verb(name: str) -> Action:
    def act(job: Job[Any]) -> tuple[bool, str]:
        changed = getattr(job, name)()
        return True, f"job {job.id} is now {changed.status}"

    return act


def _chosen(yard: Yard, ids: tuple[int, ...], choice: JobChoice, default: Iterable[Status]) -> list[int]:
    """The ids given, or those of the jobs that fit the filters: one or the other."""
    if bool(ids) == bool(choice):
        msg = "give either the ids of jobs or filters such as --status and --queue" + (", not both" if ids else "")
        raise click.UsageError(msg)
    if ids:
        return list(ids)
    if not choice.status:
        choice = choice.with_statuses(default)
    found = [job.id for job in choice.find(yard, limit=None, oldest_first=True)]
    if not found:
        msg = f"no job fits the filters (status {', '.join(choice.status)})"
        raise Failure(msg)
    return found


def _act(session: Session, ids: Iterable[int], action: Action, would: str | None, as_json: bool) -> None:
    yard = session.yard()
    outcomes = []
    for id in dict.fromkeys(ids):
        done, text = _tried(yard, id, action, would)
        outcomes.append({"id": id, "done": done, "text": text})
        if not as_json:
            output.line(text) if done else output.warn(f"jobyard: {text}")
    if as_json:
        output.print_json(outcomes)
    if refused := sum(not outcome["done"] for outcome in outcomes):
        if not as_json and len(outcomes) > 1:
            output.warn(f"{format.plural(len(outcomes), 'job')}, {refused} refused")
        raise click.exceptions.Exit(FAILED)


def _tried(yard: Yard, id: int, action: Action, would: str | None) -> tuple[bool, str]:
    try:
        job = yard.job(id)
        if would:
            return True, f"{would} job {id}, which is {job.status} ({job.title} on queue {job.queue})"
        done, text = action(job)
    except UsageError as error:
        return False, str(error)
    return done, text if f"job {id}" in text else f"job {id}: {text}"
