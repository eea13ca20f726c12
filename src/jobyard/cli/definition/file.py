"""``jobyard definition check``, ``load`` and ``dump``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.failure import FAILED
from jobyard.cli.session import Session, pass_session

if TYPE_CHECKING:
    from jobyard.definitions import Loaded
    from jobyard.yard import Yard

__all__ = ["check", "dump", "load"]

_file = click.argument("path", metavar="FILE", type=click.Path(path_type=Path))


@click.command(cls=Command)
@_file
@json_option
@pass_session
def check(session: Session, /, path: Path, as_json: bool) -> None:
    """
    List all that is wrong with a file of definitions, each with its line; 1 if there is anything.

    Arguments are checked against the tasks of the application.

    \b
    Examples:
      jobyard --app shop.jobs definition check jobs.yaml
    """
    faults = _yard(session).definitions.check(path)
    if as_json:
        output.print_json([{"line": fault.line, "text": fault.text} for fault in faults])
    else:
        for fault in faults:
            output.line(f"{path}:{fault.line}: {fault.text}" if fault.line is not None else f"{path}: {fault.text}")
    if faults:
        raise click.exceptions.Exit(FAILED)


@click.command(cls=Command)
@_file
@click.option("--prune", is_flag=True, help="Retire the definitions that the file does not have.")
@setting_options(("user",))
@json_option
@pass_session
def load(session: Session, /, path: Path, prune: bool, as_json: bool) -> None:
    """
    Bring the definitions to what a file says: all of it, or nothing if anything is wrong.

    Later jobs follow the change; those that are there stay as they are. Definitions that the file does not have stay
    too, and are listed as kept.

    \b
    Examples:
      jobyard --app shop.jobs definition load jobs.yaml
      jobyard --app shop.jobs definition load jobs.yaml --prune
    """
    loaded = _yard(session).definitions.load(path, prune=prune)
    if as_json:
        output.print_json(loaded)
        return
    for word, names in _changes(loaded):
        for name in names:
            output.line(f"{word:8} {name}")
    unchanged = len(loaded.unchanged)
    if unchanged:
        output.warn(f"{format.plural(unchanged, 'definition')} as before")


def _changes(loaded: Loaded) -> list[tuple[str, list[str]]]:
    return [
        ("added", loaded.added),
        ("changed", loaded.changed),
        ("removed", loaded.removed),
        ("kept", loaded.kept),
    ]


@click.command(cls=Command)
@pass_session
def dump(session: Session, /) -> None:
    """
    Print all definitions but the retired ones as the YAML that `load` takes; one that another depends on is a draft.

    Arguments that would not come back as they are, since YAML has no way to write them, are named; 1 then.

    \b
    Examples:
      jobyard definition dump > jobs.yaml
    """
    click.echo(session.yard().definitions.dump(), nl=False)


def _yard(session: Session) -> Yard:
    """The yard, whose functions may be imported from the working directory."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return session.yard(may_be_new=True)
