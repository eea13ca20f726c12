"""``jobyard definition list``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.params import count
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.model.definition import GOOD, DefinitionState, ResultStatus
from jobyard.model.instants import from_micros

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from jobyard.definitions.overview import Overview, RunSummary

__all__ = ["BUILD_STYLES", "list_definitions", "sparkline"]

_STATE_STYLES = {
    DefinitionState.ACTIVE: "green",
    DefinitionState.FAILING: "bold red",
    DefinitionState.PAUSED: "yellow",
    DefinitionState.DRAFT: "dim",
    DefinitionState.RETIRED: "dim",
}
BUILD_STYLES = {"success": "green", "outdated": "yellow", "failed": "bold red", "not_built": "dim"}
_BARS = "▁▂▃▄▅▆▇█"
_FAILED = "✘"


@click.command("list", cls=Command)
@click.option(
    "--state", "states", type=click.Choice([state.value for state in DefinitionState]), multiple=True,
    help="In this state; may be repeated.",
)  # fmt: skip
@click.option("--runs", type=count, default=10, show_default=True, help="So many last runs in the sparkline.")
@json_option
@pass_session
def list_definitions(session: Session, /, states: tuple[str, ...], runs: int, as_json: bool) -> None:
    """
    List the definitions: what was built, when they run next, how the last runs ended.

    A column of "runs" is as high as the run was long; a cross is one that failed.

    \b
    Examples:
      jobyard definition list
      jobyard definition list --state failing --json
    """
    yard = session.yard()
    found = [each for each in yard.definitions.overview(runs) if not states or each.definition.state in states]
    if as_json:
        output.print_json([_data(each) for each in found])
        return
    now = from_micros(yard.store.now())
    table = output.table("name", "state", "build", "next", "last", "failures", "runs", cut="name", right=("failures",))
    for each in found:
        state = each.definition.state
        table.add_row(
            cell(each.definition.name), cell(state, _STATE_STYLES[state]), _build(each), cell(_next(each, now)),
            cell(_last(each, now)), str(each.definition.failures or "-"), sparkline(each.runs),
        )  # fmt: skip
    output.show_table(table, empty="no definitions")


def sparkline(runs: Sequence[RunSummary]) -> Text:
    """The runs, oldest first, by how long they took and how they ended."""
    from rich.text import Text

    line = Text(no_wrap=True)
    lengths = [(run.ended_at - run.started_at).total_seconds() for run in runs]
    longest = max(lengths, default=0.0) or 1.0
    for run, length in zip(runs, lengths, strict=True):
        bar = _BARS[round(length / longest * (len(_BARS) - 1))]
        line.append(bar if run.status in GOOD else _FAILED, style=_run_style(run.status))
    return line


def _run_style(status: ResultStatus) -> str:
    if status is ResultStatus.SUCCESS:
        return "green"
    return "yellow" if status in GOOD else "dim" if status is ResultStatus.KILLED else "red"


def _build(each: Overview) -> Text:
    words = each.status.replace("_", " ")
    return cell(f"{words}, running" if each.running else words, BUILD_STYLES[each.status])


def _next(each: Overview, now: datetime) -> str:
    if each.next_due is None:
        return "-"
    return "now" if each.next_due <= now else format.ago(each.next_due, now)


def _last(each: Overview, now: datetime) -> str:
    if not each.runs:
        return "-"
    newest = each.runs[-1]
    return f"{newest.status.replace('_', ' ')} {format.ago(newest.ended_at, now)}"


def _data(each: Overview) -> dict[str, Any]:
    definition = each.definition
    return {
        "name": definition.name,
        "state": definition.state,
        "status": each.status,
        "outdated": each.outdated,
        "running": each.running,
        "job": each.job,
        "next_due": each.next_due,
        "failures": definition.failures,
        "interval": definition.interval,
        "last_successful": definition.last_successful,
        "last_build": definition.last_build,
        "runs": each.runs,
    }
