"""``jobyard definition list``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.params import count
from jobyard.cli.session import Session, pass_session
from jobyard.model.definition import GOOD, DefinitionState, ResultStatus
from jobyard.model.instants import from_micros

if TYPE_CHECKING:
    from datetime import datetime

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
_COLUMNS = ("name", "state", "build", "next", "last", "failures", "runs")
_FAILURES = _COLUMNS.index("failures")
_MOST_IN_COLOUR = 300
_Cell = list[tuple[str, str]]
"""Texts and their styles."""


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
    if not found:
        output.warn("no definitions")
        return
    now = from_micros(yard.store.now())
    rows = (_row(each, now) for each in found)
    if output.is_terminal() and len(found) <= _MOST_IN_COLOUR:
        _show_in_colour(rows)
    else:
        _show_plainly(rows)


def _row(each: Overview, now: datetime) -> list[_Cell]:
    definition = each.definition
    return [
        [(definition.name, "")],
        [(definition.state.value, _STATE_STYLES[definition.state])],
        [_build(each)],
        [(_next(each, now), "")],
        [(_last(each, now), "")],
        [(str(definition.failures or "-"), "")],
        sparkline(each.runs),
    ]


def _show_in_colour(rows: Iterable[Sequence[_Cell]]) -> None:
    from rich.text import Text

    table = output.table(*_COLUMNS, cut="name", right=("failures",))
    for row in rows:
        table.add_row(*[Text.assemble(*parts, no_wrap=True, overflow="ellipsis") for parts in row])
    output.show_table(table, empty="")


def _show_plainly(rows: Iterable[Sequence[_Cell]]) -> None:
    """The same without a layout engine, which would take seconds for thousands of rows."""
    texts = [list(_COLUMNS), *[["".join(text for text, _ in parts) for parts in row] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        padded[_FAILURES] = row[_FAILURES].rjust(widths[_FAILURES])
        lines.append("  ".join(padded).rstrip())
    output.line("\n".join(lines))


def sparkline(runs: Sequence[RunSummary]) -> _Cell:
    """The runs, oldest first, by how long they took and how they ended."""
    lengths = [run.seconds for run in runs]
    scale = (len(_BARS) - 1) / (max(lengths, default=0.0) or 1.0)
    return [_column(run.status, round(length * scale)) for run, length in zip(runs, lengths, strict=True)]


def _column(status: ResultStatus, height: int) -> tuple[str, str]:
    return (_BARS[height] if status in GOOD else _FAILED), _run_style(status)


def _run_style(status: ResultStatus) -> str:
    if status is ResultStatus.SUCCESS:
        return "green"
    return "yellow" if status in GOOD else "dim" if status is ResultStatus.KILLED else "red"


def _build(each: Overview) -> tuple[str, str]:
    words = each.status.replace("_", " ")
    return f"{words}, running" if each.running else words, BUILD_STYLES[each.status]


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
        "runs": [
            {"job": run.job, "status": run.status, "started_at": run.started_at, "ended_at": run.ended_at}
            for run in each.runs
        ],
    }
