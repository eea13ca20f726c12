"""``jobyard job watch`` and ``jobyard job wait``: until the job has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.data import job_data
from jobyard.cli.failure import FAILED
from jobyard.cli.job.log import entry_line
from jobyard.cli.job.progress import Pace, progress_lines
from jobyard.cli.params import duration, job_id
from jobyard.cli.patience import patiently, wait_for
from jobyard.cli.session import Session, pass_session
from jobyard.model.progress import Progress, progress_tree
from jobyard.model.states import FINAL, Status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jobyard.model.job import Job
    from jobyard.yard import Change, Yard

__all__ = ["exit_code", "wait", "watch"]

_FIELDS = ("status", "attempt", "due", "opstatus", "progress", "logtail")
_GOOD = (Status.SUCCEEDED, Status.SKIPPED)
_LINES = 8
"""Log lines in the live view."""
_TICK = 0.5
"""Seconds after which it looks again, and the live view counts on, although nothing changed."""
_PROGRESS_EVERY = 2.0
"""Seconds between two lines of progress where there is no terminal."""


@click.command(cls=Command)
@click.argument("id", type=job_id)
@json_option
@pass_session
def watch(session: Session, /, id: int, as_json: bool) -> None:
    """
    Watch a job until it ends.

    On a terminal this is `job show`, live. Otherwise it prints a line for each change and each log line, and with
    --json the whole job as one JSON object per change. A store that is away for up to 5 minutes is waited for.

    Exits with 0 if the job succeeded or was skipped, else with 1.

    \b
    Examples:
      jobyard job watch 12
    """
    yard = session.yard()
    job = yard.job(id)
    if as_json:
        _follow(yard, job, lambda _change: output.print_json(job_data(job), indent=False))
    elif output.is_terminal():
        _watch_live(yard, job)
    else:
        _follow(yard, job, _Plain(job).print)
    raise click.exceptions.Exit(exit_code([job]))


@click.command(cls=Command)
@click.argument("ids", metavar="ID...", type=job_id, nargs=-1, required=True)
@click.option("--timeout", type=duration, help="Give up (with exit code 1) after this long; the jobs go on.")
@pass_session
def wait(session: Session, /, ids: tuple[int, ...], timeout: float | None) -> None:
    """
    Wait until jobs have ended, without any output.

    A store that is away for up to 5 minutes is waited for, within the timeout.

    Exits with 0 if all of them succeeded or were skipped, else with 1.

    \b
    Examples:
      jobyard job wait 12 13 --timeout 5m
    """
    yard = session.yard()
    jobs = [yard.job(id) for id in ids]
    wait_for(jobs, timeout)
    raise click.exceptions.Exit(exit_code(jobs))


def exit_code(jobs: list[Job[Any]]) -> int:
    """0 if all of them ended well."""
    return 0 if all(job.status in _GOOD for job in jobs) else FAILED


def _follow(yard: Yard, job: Job[Any], told: Callable[[Change], None], *, ticks: bool = False) -> None:
    """
    Tell of each change until the job has ended and its log was told to the end.

    Args:
        told: it reads before it prints, since it is called again where the store was away in it.
        ticks: whether to tell too that nothing changed.
    """
    from jobyard.yard import Change

    previous: list[Any] | None = None
    serial = 0
    while True:
        change = patiently(partial(yard.wait_for_change, job.id, _FIELDS, previous, serial, _TICK))
        patiently(job.refresh)
        if isinstance(change, Change):
            previous = change.fields
            serial = max((entry.serial for entry in change.log), default=serial)
            patiently(partial(told, change))
            if change.fields[0] in FINAL and job.log_serial <= serial:
                return
        elif ticks:
            patiently(partial(told, Change(previous or [], [])))


class _Plain:
    """Prints changes as lines."""

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._said = ""
        self._progress: dict[tuple[str, ...], Progress] = {}
        self._progress_at = 0.0
        output.line(f"job {job.id}: {job.title}")

    def print(self, change: Change) -> None:
        status, attempt, *_ = change.fields
        final = status in FINAL
        for entry in change.log:
            output.line(entry_line(entry))
        self._print_progress(change.fields[_FIELDS.index("progress")], always=final)
        said = f"job {self._job.id} is {status}" + (f", attempt {attempt}" if attempt > 1 else "")
        if said != self._said:
            output.line(said)
            self._said = said
        if final and self._job.error is not None and status is Status.FAILED:
            output.warn(self._job.error)

    def _print_progress(self, rows: list[Progress], *, always: bool) -> None:
        now = time.monotonic()
        news = [row for row in rows if self._progress.get(row.group) != row]
        if not news or (now - self._progress_at < _PROGRESS_EVERY and not always):
            return
        self._progress_at = now
        self._progress = {row.group: row for row in rows}
        for text in progress_lines(news):
            output.line(text)


def _watch_live(yard: Yard, job: Job[Any]) -> None:
    from rich.live import Live

    from jobyard.cli.job.view import job_view

    pace = Pace()
    out = output.console()
    with Live(console=out, auto_refresh=False, transient=True) as live:

        def tell(change: Change) -> None:
            if change.fields:
                pace.note(progress_tree(change.fields[_FIELDS.index("progress")]), time.monotonic())
            live.update(_live_view(yard, job, pace), refresh=True)

        _follow(yard, job, tell, ticks=True)
    output.show(*patiently(lambda: list(job_view(job, yard.store.now(), _LINES))))


def _live_view(yard: Yard, job: Job[Any], pace: Pace) -> RenderableType:
    from rich.console import Group
    from rich.constrain import Constrain

    from jobyard.cli.job.view import job_summary, why_view

    now = yard.store.now()
    content = Group(*job_summary(job, now, _LINES, pace), *why_view(job))
    return Constrain(content, output.console().width - output.ECHO)
