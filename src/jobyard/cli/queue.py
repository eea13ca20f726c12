"""``jobyard queue``: open and close queues, and set what their jobs get."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option, setting_options
from jobyard.cli.names import QUEUES
from jobyard.cli.params import duration
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.model.states import UNFINISHED, Status

if TYPE_CHECKING:
    from jobyard.yard import QueueInfo, Yard

__all__ = ["command"]

_SHOWN = (*[status for status in Status if status in UNFINISHED], Status.FAILED)
_OFF = ("off", "none")
_user = setting_options(("user",))
_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=QUEUES)


@click.command(cls=Noun, name="queue")
def command() -> None:
    """
    List queues, pause, drain and resume them, and set their options.

    \b
    Examples:
      jobyard queue list
      jobyard queue pause images
      jobyard queue set images --retry 5 --timeout 10m
    """


@command.command("list")
@json_option
@pass_session
def list_queues(session: Session, /, as_json: bool) -> None:
    """
    List the queues that have jobs, options or a state, with the number of their jobs.

    \b
    Examples:
      jobyard queue list --json
    """
    queues = session.yard().queues.list()
    if as_json:
        output.print_json([_data(queue) for queue in queues])
        return
    shown = [status for status in _SHOWN if any(queue.counts.get(status) for queue in queues)]
    table = output.table("name", "state", *[status.value for status in shown], "options", cut="options", right=[*shown])
    for queue in queues:
        counts = [f"{queue.counts.get(status, 0):,}" for status in shown]
        table.add_row(cell(queue.name), cell(_state(queue), _style(queue)), *counts, cell(_options(queue)))
    output.show_table(table, empty="no queues")


@command.command("pause")
@_names
@_user
@json_option
@pass_session
def pause(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Let no job of these queues start until they are resumed; those that run go on.

    \b
    Examples:
      jobyard queue pause images mail
    """
    _change(session, names, as_json, lambda yard, name: yard.queues.pause(name))


@command.command("resume")
@_names
@_user
@json_option
@pass_session
def resume(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Undo pause and drain.

    \b
    Examples:
      jobyard queue resume images
    """
    _change(session, names, as_json, lambda yard, name: yard.queues.resume(name))


@command.command("drain")
@_names
@_user
@json_option
@pass_session
def drain(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Take no new jobs on these queues; those that are there run, and may be retried.

    \b
    Examples:
      jobyard queue drain images
    """
    _change(session, names, as_json, lambda yard, name: yard.queues.drain(name))


@command.command("set")
@click.argument("name", shell_complete=QUEUES)
@click.option("--priority", metavar="N", help="From -20 (most urgent) to 19.")
@click.option("--retry", metavar="N", help="Attempts in all.")
@click.option("--timeout", metavar="DURATION", help="How long an attempt may take.")
@click.option("--aging", metavar="DURATION", help="The wait that counts as one step more urgent.")
@_user
@json_option
@pass_session
def set_options(session: Session, /, name: str, as_json: bool, **given: str | None) -> None:
    """
    Set options for jobs of a queue whose call and task say nothing; "off" takes one back.

    \b
    Examples:
      jobyard queue set images --retry 5 --timeout 10m
      jobyard queue set images --timeout off
    """
    changes = {key: _parsed(key, value) for key, value in given.items() if value is not None}
    if not changes:
        msg = "say what to set: --priority, --retry, --timeout or --aging"
        raise click.UsageError(msg)
    _change(session, (name,), as_json, lambda yard, name: yard.queue(name, **changes))


def _parsed(key: str, text: str) -> Any:
    if text.lower() in _OFF:
        return None
    kinds: dict[str, Any] = {"priority": click.IntRange(-20, 19), "retry": click.IntRange(min=1)}
    try:
        return kinds[key].convert(text, None, None) if key in kinds else duration(text)
    except click.BadParameter as error:
        msg = f"--{key}: {error.message}"
        raise click.UsageError(msg) from error


def _change(session: Session, /, names: tuple[str, ...], as_json: bool, act: Callable[[Yard, str], QueueInfo]) -> None:
    yard = session.yard(may_be_new=True)
    changed = [act(yard, name) for name in dict.fromkeys(names)]
    if as_json:
        output.print_json([_data(queue) for queue in changed])
        return
    for queue in changed:
        options = _options(queue)
        output.line(f"queue {queue.name} is {_state(queue)}{f', {options}' if options else ''}")


def _data(queue: QueueInfo) -> dict[str, Any]:
    return {
        "name": queue.name,
        "paused": queue.paused,
        "drained": queue.drained,
        "counts": {status.value: queue.counts.get(status, 0) for status in Status},
        "priority": queue.priority,
        "retry": queue.retry,
        "timeout": queue.timeout,
        "aging": queue.aging,
    }


def _state(queue: QueueInfo) -> str:
    states = [word for word, holds in (("paused", queue.paused), ("drained", queue.drained)) if holds]
    return " and ".join(states) or "open"


def _style(queue: QueueInfo) -> str:
    return "yellow" if queue.paused or queue.drained else "green"


def _options(queue: QueueInfo) -> str:
    parts = [] if queue.priority is None else [f"priority {queue.priority}"]
    if queue.retry is not None:
        parts.append(format.plural(queue.retry.attempts, "attempt"))
    parts += [
        f"{name} {format.compact(value)}"
        for name in ("timeout", "aging")
        if (value := getattr(queue, name)) is not None
    ]
    return ", ".join(parts)
