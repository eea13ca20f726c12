"""``jobyard config``: which settings are in force, and why."""

from __future__ import annotations

from typing import Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.config import SETTINGS, Settings, ignored_variables
from jobyard.store.locate import masked

__all__ = ["command"]


@click.command(cls=Noun, name="config")
def command() -> None:
    """
    Check the settings.

    \b
    Examples:
      jobyard config check
    """


@command.command("check")
@json_option
@pass_session
def check(session: Session, /, as_json: bool) -> None:
    """
    Show every setting in force and where it comes from; 2 if one is wrong.

    Each may stand in jobyard.toml, in the environment (JOBYARD_CONCURRENCY), in the arguments of the application's
    Yard, and on the command line (--concurrency); the later wins. Variables that begin with JOBYARD_ and are no
    settings are named on stderr.

    \b
    Examples:
      jobyard config check
      jobyard --app shop.jobs --concurrency 4 config check --json
    """
    settings = session.yard(may_be_new=True).settings if session.app_name() else session.settings()
    for variable, nearest in ignored_variables().items():
        hint = f"; did you mean {nearest}?" if nearest else ""
        output.warn(f"jobyard: ${variable} is no setting and has no effect{hint}")
    if as_json:
        output.print_json({name: _data(settings, name) for name in SETTINGS})
        return
    table = output.table("setting", "value", "from", cut="from")
    for name in SETTINGS:
        source = settings.sources[name]
        is_set = source != "default"
        table.add_row(
            cell(name, "bold" if is_set else ""),
            cell(_shown(_value(settings, name))),
            cell(source, "" if is_set else "dim"),
        )
    output.show_table(table, empty="no settings")


def _data(settings: Settings, name: str) -> dict[str, Any]:
    return {"value": _value(settings, name), "source": settings.sources[name]}


def _value(settings: Settings, name: str) -> Any:
    return masked(settings.url) if name == "url" else getattr(settings, name)


def _shown(value: Any) -> str:
    if value is None or value == ():
        return "-"
    if isinstance(value, float):
        return format.compact(value)
    return ", ".join(value) if isinstance(value, tuple) and isinstance(value[0], str) else str(value)
