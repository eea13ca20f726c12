"""``jobyard event``: the audit trail."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option
from jobyard.cli.names import DEFINITIONS, MACHINES
from jobyard.cli.params import count, job_id, past
from jobyard.cli.patience import patiently
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.store.events import EventFilter

if TYPE_CHECKING:
    from jobyard.model.audit import Event
    from jobyard.yard import Yard

__all__ = ["command", "event_line"]

F = TypeVar("F", bound=Callable[..., Any])

_LOOK_EVERY = 0.5
_LATEST = 10.0
"""Seconds by which an event may become visible after one with a higher id, whose transaction was shorter."""
_FILTERS = (
    click.option("--kind", metavar="KIND", help="Of this kind, like cancel, retry or reclaim."),
    click.option("--job", type=job_id, metavar="ID", help="About this job."),
    click.option("--definition", metavar="NAME", shell_complete=DEFINITIONS, help="About this definition."),
    click.option("--machine", metavar="NAME", shell_complete=MACHINES, help="About this machine."),
    click.option("--user", metavar="NAME", help="By this user."),
)


def _filters(function: F) -> F:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


@click.command(cls=Noun, name="event")
def command() -> None:
    """
    Look at the audit trail: who did what, when, to which job.

    \b
    Examples:
      jobyard event list --job 12
      jobyard event follow --kind reclaim
    """


@command.command("list")
@_filters
@click.option("--since", type=past, metavar="WHEN", help="Since a time, or an age like 90s, 6h, 7d.")
@click.option("--limit", type=count, default=100, show_default=True, help="At most so many; 0: all.")
@json_option
@pass_session
def list_events(session: Session, /, since: datetime | None, limit: int, as_json: bool, **chosen: Any) -> None:
    """
    List events, newest first.

    \b
    Examples:
      jobyard event list --since 1d --user alice
    """
    events = session.yard().events(since=since, limit=limit or None, **chosen)
    if as_json:
        output.print_json(events)
        return
    table = output.table("id", "at", "kind", "user", "about", "data", cut="data", right=("id",))
    for event in events:
        table.add_row(
            str(event.id), format.instant(event.at), event.kind, cell(event.user or "-"), cell(_about(event)),
            cell(_data(event), "dim"),
        )  # fmt: skip
    output.show_table(table, empty="no events")


@command.command("follow")
@_filters
@click.option("--last", type=click.IntRange(min=0), default=0, metavar="N", help="Begin with the last so many.")
@json_option
@pass_session
def follow(session: Session, /, last: int, as_json: bool, **chosen: Any) -> None:
    """
    Print events as they happen, until Ctrl-C; with --json each line is one JSON object.

    A store that is away for up to 5 minutes is waited for.

    \b
    Examples:
      jobyard event follow --kind cancel
      jobyard event follow --machine build7 --last 10
    """
    yard = session.yard()
    newest = max((event.id for event in yard.events(limit=1)), default=0)
    for event in reversed(yard.events(limit=last, **chosen) if last else []):
        if event.id <= newest:
            _tell(event, as_json)
    told: dict[int, float] = {}
    while True:
        now = time.monotonic()
        for event in patiently(partial(_newer, yard, newest, chosen)):
            if event.id not in told:
                told[event.id] = now
                _tell(event, as_json)
        newest = max((id for id, at in told.items() if at < now - _LATEST), default=newest)
        told = {id: at for id, at in told.items() if id > newest}
        time.sleep(_LOOK_EVERY)


def _newer(yard: Yard, than: int, chosen: dict[str, Any]) -> list[Event]:
    with yard.store.read() as tx:
        return yard.store.events.find(tx, EventFilter(**chosen, after=than, limit=None))


def _tell(event: Event, as_json: bool) -> None:
    if as_json:
        output.print_json(event, indent=False)
    else:
        output.line(event_line(event))


def event_line(event: Event) -> str:
    """An event in one line."""
    words = (
        format.instant(event.at),
        event.kind,
        _about(event),
        f"by {event.user}" if event.user else "",
        _data(event),
    )
    return "  ".join(word for word in words if word)


def _about(event: Event) -> str:
    given = (("job", event.job), ("definition", event.definition), ("machine", event.machine))
    return ", ".join(f"{name} {value}" for name, value in given if value is not None) or "-"


def _data(event: Event) -> str:
    return ", ".join(f"{name}={value}" for name, value in event.data.items())
