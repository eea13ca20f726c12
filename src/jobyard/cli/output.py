"""
The one place that prints.

What a command was asked for goes to stdout; errors, warnings and the lines of a worker go to stderr. On a terminal
tables are cut to its width; otherwise no value is cut, so that `grep` and `cut` find all of it. rich is loaded by the
first thing that needs it, since it costs more than the rest of a command; it honours ``NO_COLOR`` by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod, RenderableType
    from rich.table import Table

__all__ = [
    "ECHO",
    "console",
    "forbid_colour",
    "is_terminal",
    "line",
    "print_json",
    "show",
    "show_exception",
    "show_table",
    "stderr_console",
    "table",
    "warn",
]

ECHO = 4
"""Columns that live views leave free for the ``^C`` a terminal echoes: a line that wraps could not be taken back."""

_ENDLESS = 100_000
"""Columns where there is no terminal to ask: nothing is cut or wrapped."""

_CUT = 8
"""Columns of the screen that are left at least of a table's column that gives way."""

_colour = {"allowed": True}


def forbid_colour() -> None:
    """Print without colours from now on."""
    _colour["allowed"] = False


def is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty()


def console(width: int | None = None) -> Console:
    """stdout for what has a layout."""
    return _console(sys.stdout, width)


def stderr_console() -> Console:
    """stderr for what has a layout."""
    return _console(sys.stderr, None)


def _console(file: Any, width: int | None) -> Console:
    from rich.console import Console

    if width is None and not file.isatty():
        width = _ENDLESS
    return Console(
        file=file, width=width, no_color=None if _colour["allowed"] else True, highlight=False, soft_wrap=False
    )


def line(text: object = "") -> None:
    """One line of plain text on stdout."""
    click.echo(str(text))


def warn(text: object) -> None:
    """One line of plain text on stderr."""
    click.echo(str(text), err=True)


def show(*things: RenderableType) -> None:
    """Texts, panels and trees on stdout."""
    out = console()
    if is_terminal():
        for thing in things:
            out.print(thing)
        return
    for text in _lines(out, things):
        line(text)


def show_exception(error: BaseException) -> None:
    """An exception of the user's own code, with its traceback, on stderr."""
    if sys.stderr.isatty():
        from rich.traceback import Traceback

        stderr_console().print(Traceback.from_exception(type(error), error, error.__traceback__, width=None))
        return
    import traceback

    warn("".join(traceback.format_exception(error)).rstrip())


def table(*columns: str, cut: str, right: Iterable[str] = ()) -> Table:
    """
    An empty table without lines; give its rows to `add_row` and the whole to `show_table`.

    Args:
        cut: the column that gives way where the terminal is too narrow for all.
        right: those whose values are numbers.
    """
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    numeric = set(right)
    for name in columns:
        justify: JustifyMethod = "right" if name in numeric else "left"
        made.add_column(name, justify=justify, no_wrap=name != cut, min_width=_CUT if name == cut else None)
    return made


def show_table(made: Table, *, empty: str) -> None:
    """Print a table, or the line that says that there is nothing, on stderr, where no script takes it for a row."""
    if not made.row_count:
        warn(empty)
        return
    show(made)


def _lines(out: Console, things: Sequence[RenderableType]) -> list[str]:
    """What is printed, without the blanks that fill up to the width."""
    with out.capture() as captured:
        for thing in things:
            out.print(thing)
    return [text.rstrip() for text in captured.get().splitlines()]


def print_json(value: Any, *, indent: bool = True) -> None:
    """*value* as JSON on stdout; without *indent* in one line, for streams."""
    from jobyard.cli.data import json_text

    line(json_text(value, indent=indent))
