"""``jobyard job log``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.params import count, job_id
from jobyard.cli.patience import patiently
from jobyard.cli.session import Session, pass_session
from jobyard.model.states import FINAL

if TYPE_CHECKING:
    from rich.text import Text

    from jobyard.model.job import Job
    from jobyard.model.op import LogEntry
    from jobyard.yard import Yard

__all__ = ["entry_line", "entry_text", "log"]

_LEVELS = ("debug", "info", "warning", "error", "critical")
_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_LOOK_AGAIN = 1.0


@click.command(cls=Command)
@click.argument("id", type=job_id)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the job ends.")
@click.option("--level", type=click.Choice(_LEVELS, case_sensitive=False), help="From this level on.")
@click.option("--last", type=count, metavar="N", help="Only the last N lines.")
@json_option
@pass_session
def log(session: Session, /, id: int, follow: bool, level: str | None, last: int | None, as_json: bool) -> None:
    """
    Print the log of a job.

    With --json each line is one JSON object. With --follow a store that is away for up to 5 minutes is waited for.

    \b
    Examples:
      jobyard job log 12 --level warning
      jobyard job log 12 --follow --last 20
    """
    yard = session.yard()
    job = yard.job(id)
    lowest = logging.getLevelNamesMapping()[level.upper()] if level else 0
    entries = job.get_log_entries()
    chosen = [entry for entry in entries if entry.level >= lowest]
    _print(chosen[-last:] if last else [] if last == 0 else chosen, as_json)
    if follow:
        newest = max((entry.serial for entry in entries), default=0)
        for fresh in _new_entries(yard, job, newest):
            _print([entry for entry in fresh if entry.level >= lowest], as_json)


def _new_entries(yard: Yard, job: Job[Any], newer_than: int) -> Iterator[list[LogEntry]]:
    """The entries as they come, a few at a time, until the job has ended."""
    from jobyard.yard import Change

    while True:
        change = patiently(partial(yard.wait_for_change, job.id, ["status"], [job.status], newer_than, _LOOK_AGAIN))
        if not isinstance(change, Change):
            continue
        newer_than = max((entry.serial for entry in change.log), default=newer_than)
        yield change.log
        patiently(job.refresh)
        if job.status in FINAL and job.log_serial <= newer_than:
            return


def _print(entries: Iterable[LogEntry], as_json: bool) -> None:
    for entry in entries:
        if as_json:
            output.print_json(entry, indent=False)
        elif output.is_terminal():
            output.show(entry_text(entry))
        else:
            output.line(entry_line(entry))


def entry_line(entry: LogEntry) -> str:
    """An entry as plain text: local time, level, logger, message, and the traceback below."""
    text = (
        f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03d} {_level(entry):8} {_said(entry)}"
    )
    return f"{text}\n{entry.traceback.rstrip()}" if entry.traceback else text


def entry_text(entry: LogEntry) -> Text:
    """The same, in colours."""
    from rich.text import Text

    level = _level(entry)
    style = _STYLES.get(level, "")
    text = Text.assemble(
        (f"{entry.at.astimezone():%H:%M:%S} ", "dim"), (f"{level:8} ", style or "cyan"), (_said(entry), style)
    )
    if entry.traceback:
        text.append(f"\n{entry.traceback.rstrip()}", "dim")
    return text


def _level(entry: LogEntry) -> str:
    return logging.getLevelName(entry.level)


def _said(entry: LogEntry) -> str:
    return f"{entry.logger}: {entry.message}" if entry.logger not in ("", "root") else entry.message
