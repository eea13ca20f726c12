"""``jobyard definition show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.data import plain
from jobyard.cli.definition.notes import rendered
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.params import count
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.model.instants import from_micros
from jobyard.model.references import Retval

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

    from jobyard.definitions import Definition, Result

__all__ = ["definition_data", "show"]

_FIELDS = (
    *("name", "state", "task", "function", "args", "kwargs", "title", "notes", "dependencies", "queue", "priority"),
    *("retry", "timeout", "protected", "cleanup", "every", "cron", "timezone", "overlap", "jitter", "failure_limit"),
    *("keep", "interval", "next_due", "failures", "last_successful", "last_build", "outdated", "status"),
    *("has_running_builds", "created_at", "changed_at"),
)


@click.command(cls=Command)
@click.argument("name", shell_complete=DEFINITIONS)
@click.option("--results", "limit", type=count, default=10, show_default=True, help="So many last results.")
@json_option
@pass_session
def show(session: Session, /, name: str, limit: int, as_json: bool) -> None:
    """
    Show a definition: what it says, when it runs next, and how its last runs ended.

    \b
    Examples:
      jobyard definition show report
      jobyard definition show report --results 50 --json
    """
    yard = session.yard()
    definition = yard.definitions.get(name)
    if as_json:
        results = [_result_data(result) for result in definition.results(limit)]
        output.print_json({**definition_data(definition), "results": results})
        return
    output.show(*_view(definition, limit, from_micros(yard.store.now())))


def definition_data(definition: Definition) -> dict[str, Any]:
    """A definition with all its fields; a reference is written as in YAML."""
    values = {name: getattr(definition, name) for name in _FIELDS}
    job = definition.job
    return {**{name: plain(_written(value)) for name, value in values.items()}, "job": job.id if job else None}


def _written(value: Any) -> Any:
    if isinstance(value, Retval):
        return f"!retval {value.name}"
    if isinstance(value, dict):
        return {key: _written(each) for key, each in value.items()}
    return [_written(each) for each in value] if isinstance(value, (list, tuple)) else value


def _result_data(result: Result) -> dict[str, Any]:
    return {
        "status": result.status,
        "job": result.job.id,
        "machine": result.machine,
        "requester": result.requester,
        "log_excerpt": result.log_excerpt,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
    }


def _view(definition: Definition, limit: int, now: datetime) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text.assemble((definition.name, "bold"), f"  {definition.title or ''}")
    if definition.notes:
        yield rendered(definition.notes)
    facts = output.table("", "", cut="")
    facts.show_header = False
    for key, value in {**_facts(definition, now), **_said(definition)}.items():
        facts.add_row(cell(key, "dim"), cell(value))
    yield facts
    results = definition.results(limit)
    if results:
        table = output.table("job", "result", "machine", "requester", "ended", "took", cut="machine", right=("job",))
        for each in results:
            length = format.length((each.ended_at - each.started_at).total_seconds())
            table.add_row(
                str(each.job.id), cell(each.status), cell(each.machine or "-"), cell(each.requester or "-"),
                cell(format.ago(each.ended_at, now)), length,
            )  # fmt: skip
        yield table


def _facts(definition: Definition, now: datetime) -> dict[str, str]:
    status = definition.status.replace("_", " ")
    facts = {
        "state": str(definition.state),
        "build": f"{status}, running" if definition.has_running_builds else status,
    }
    if (job := definition.job) is not None:
        facts["next"] = f"job {job.id}, {job.status}, due {format.moment(job.due, now)}"
    if definition.failures:
        facts["failures"] = f"{definition.failures} in a row, of {definition.failure_limit} that it outlives"
    if definition.last_successful is not None:
        facts["last success"] = format.moment(definition.last_successful, now)
    return facts


def _said(definition: Definition) -> dict[str, str]:
    """What its YAML says, but for what is shown elsewhere."""
    shown = {"name", "title", "notes", "state"}
    keys = {key: _written(value) for key, value in definition.keys().items() if key not in shown}
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in keys.items()}
