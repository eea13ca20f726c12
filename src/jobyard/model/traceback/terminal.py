"""Captured data for the terminal, in the manner of rich's own tracebacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.highlighter import ReprHighlighter
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from jobyard.model.traceback.data import ErrorData, FrameData
from jobyard.model.traceback.render import TITLE, links, summary_line

__all__ = ["show_error", "show_stack"]

_THEME = "ansi_dark"
_highlight = ReprHighlighter()


def show_error(data: ErrorData) -> Iterator[RenderableType]:
    """An error with what led to it, oldest first."""
    for said, link in links(data):
        if said is not None:
            yield Text(f"\n{said}\n", style="italic")
        yield from _single(link)


def show_stack(data: dict[str, Any]) -> Iterator[RenderableType]:
    """The stack of running code."""
    yield _boxed(data.get("frames", ()), "Stack (most recent call last)", "cyan")


def _single(data: ErrorData) -> Iterator[RenderableType]:
    if frames := data.get("frames"):
        yield _boxed(frames, TITLE.rstrip(":"), "red")
    if syntax := data.get("syntax"):
        yield Syntax(syntax["text"].rstrip(), "python", theme=_THEME, line_numbers=True, start_line=syntax["line"])
    kind, _, message = summary_line(data).partition(": ")
    yield Text.assemble((kind, "bold red"), ": " if message else "", _highlight(message))
    for note in data.get("notes", ()):
        yield Text.assemble(("[note] ", "dim"), note)
    members = data.get("exceptions", [])
    for number, member in enumerate(members, 1):
        title = f"{number} of {len(members) + data.get('omitted', 0)}"
        yield Panel(Group(*show_error(member)), title=title, border_style="red dim")


def _boxed(frames: Iterable[FrameData], title: str, colour: str) -> Panel:
    inner = [part for frame in frames for part in _frame(frame)]
    return Panel(Group(*inner), title=title, border_style=colour, title_align="left")


def _frame(frame: FrameData) -> Iterator[RenderableType]:
    if skipped := frame.get("skipped"):
        yield Text(f"… {skipped} frames left out …\n", style="dim", justify="center")
    yield Text.assemble(
        (frame["file"], "magenta"), ":", (str(frame["line"]), "cyan"), " in ", (frame["function"], "green")
    )
    if context := frame.get("context"):
        yield Syntax(
            "\n".join(context["lines"]),
            "python",
            theme=_THEME,
            line_numbers=True,
            start_line=context["start"],
            highlight_lines={frame["line"]},
            word_wrap=True,
        )
    if values := frame.get("locals"):
        yield _locals(values)
    yield Text()


def _locals(values: dict[str, str]) -> Panel:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="yellow italic", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in sorted(values.items()):
        table.add_row(f"{name} =", _highlight(text))
    return Panel.fit(table, title="locals", border_style="dim")
