"""``jobyard machine``: the hosts of workers and foreign runners, and whether they take jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option, setting_options
from jobyard.cli.data import job_data
from jobyard.cli.event import event_line
from jobyard.cli.names import MACHINES
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.model.instants import from_micros
from jobyard.model.machine import MachineState, OfflineReason

if TYPE_CHECKING:
    from rich.text import Text

    from jobyard.yard import Yard
    from jobyard.yard.machines import Machine

__all__ = ["command"]

_STYLES = {MachineState.ONLINE: "green", MachineState.QUIESCING: "yellow", MachineState.OFFLINE: "red"}
_REASONS = [reason.value for reason in OfflineReason]
_EVENTS = 10
_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=MACHINES)
_message = click.option("--message", metavar="TEXT", help="Why, for the audit trail.")
_user = setting_options(("user",))


@click.command(cls=Noun, name="machine")
def command() -> None:
    """
    Look at machines, and have them take jobs or not.

    \b
    Examples:
      jobyard machine list
      jobyard machine quiesce build7 --message "new disk"
      jobyard machine online build7
    """


@command.command("list")
@json_option
@pass_session
def list_machines(session: Session, /, as_json: bool) -> None:
    """
    List the machines that are known, with the number of jobs that run there.

    \b
    Examples:
      jobyard machine list --json
    """
    yard = session.yard()
    machines = yard.machines.list()
    if as_json:
        output.print_json([_data(machine) for machine in machines])
        return
    now = from_micros(yard.store.now())
    table = output.table("name", "state", "reason", "jobs", "heartbeat", cut="name", right=("jobs",))
    for machine in machines:
        table.add_row(
            cell(machine.name),
            _state(machine),
            cell(machine.reason or "-"),
            str(len(machine.jobs)),
            _beat(machine, now),
        )
    output.show_table(table, empty="no machines")


@command.command("show")
@click.argument("name", shell_complete=MACHINES)
@json_option
@pass_session
def show(session: Session, /, name: str, as_json: bool) -> None:
    """
    Show a machine: what runs there with the last lines of its output, and what was done to it.

    \b
    Examples:
      jobyard machine show build7
    """
    yard = session.yard()
    machine = yard.machines.get(name)
    if as_json:
        output.print_json(_data(machine))
        return
    now = from_micros(yard.store.now())
    reason = f" ({machine.reason})" if machine.reason else ""
    output.line(f"machine {machine.name} is {machine.state}{reason}, last heard of {_beat(machine, now)}")
    for job in machine.jobs:
        started = format.ago(job.started_at, now) if job.started_at else "-"
        output.line(f"  job {job.id}  {job.definition or job.title}  started {started}")
        for text in (job.logtail or "").splitlines():
            output.line(f"    | {text}")
    for event in machine.events[:_EVENTS]:
        output.line(f"  {event_line(event)}")


@command.command("online")
@_names
@_message
@_user
@json_option
@pass_session
def online(session: Session, /, names: tuple[str, ...], message: str | None, as_json: bool) -> None:
    """
    Have machines take jobs; one that nobody knew is made.

    \b
    Examples:
      jobyard machine online build7
    """
    _change(session, names, as_json, lambda yard, name: yard.machines.online(name, message=message))


@command.command("offline")
@_names
@click.option(
    "--reason",
    type=click.Choice(_REASONS),
    default="stopped",
    show_default=True,
    help="Which kind.",
)
@_message
@_user
@json_option
@pass_session
def offline(session: Session, /, names: tuple[str, ...], reason: str, message: str | None, as_json: bool) -> None:
    """
    Have machines take no jobs, whatever runs there.

    \b
    Examples:
      jobyard machine offline build7 --message "on fire"
    """
    _change(session, names, as_json, lambda yard, name: yard.machines.offline(name, reason, message=message))


@command.command("quiesce")
@_names
@_message
@_user
@json_option
@pass_session
def quiesce(session: Session, /, names: tuple[str, ...], message: str | None, as_json: bool) -> None:
    """
    Have machines finish what they run, take nothing new, and go offline when they are empty.

    \b
    Examples:
      jobyard machine quiesce build7
    """
    _change(session, names, as_json, lambda yard, name: yard.machines.quiesce(name, message=message))


def _change(session: Session, names: tuple[str, ...], as_json: bool, act: Callable[[Yard, str], Machine]) -> None:
    yard = session.yard(may_be_new=True)
    changed = [act(yard, name) for name in dict.fromkeys(names)]
    if as_json:
        output.print_json([_data(machine) for machine in changed])
        return
    for machine in changed:
        output.line(f"machine {machine.name} is {machine.state}")


def _data(machine: Machine) -> dict[str, Any]:
    return {
        "name": machine.name,
        "state": machine.state,
        "reason": machine.reason,
        "heartbeat": machine.heartbeat,
        "jobs": [job_data(job) for job in machine.jobs],
        "events": machine.events,
    }


def _state(machine: Machine) -> Text:
    return cell(machine.state, _STYLES[machine.state])


def _beat(machine: Machine, now: datetime) -> str:
    return "-" if machine.heartbeat is None else format.ago(machine.heartbeat, now)
