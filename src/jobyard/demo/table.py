"""The report as a table: in colours for a terminal, and as plain text."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobyard.demo.census import Census, PackageCount

__all__ = ["as_table", "as_text"]

_ROWS = 15
_WIDTH = 200
_BAR = 10
_BLOCKS = " ▏▎▍▌▋▊▉█"


def as_text(census: Census) -> str:
    """All packages, without colours."""
    out = Console(file=io.StringIO(), width=_WIDTH, color_system=None, highlight=False)
    out.print(as_table(census, rows=len(census.packages)))
    lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_table(census: Census, *, rows: int = _ROWS) -> RenderableType:
    """The largest packages, the sum of all, and what is remarkable."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    made.add_column("package", no_wrap=True)
    for name in ("files", "lines", "functions", "classes", "deepest"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("documented", no_wrap=True)
    for package in census.packages[:rows]:
        made.add_row(*_cells(package))
    if len(census.packages) > rows:
        made.add_row(Text(f"and {len(census.packages) - rows} more", "dim"))
    made.add_row(*_cells(census.total), style="bold")
    return Group(*_heading(census), made, Text(), *_remarks(census))


def _heading(census: Census) -> Iterator[RenderableType]:
    yield Text.assemble((f"The standard library of Python {census.python}", "bold"), (f"  {census.library}", "dim"))
    yield Text()


def _cells(count: PackageCount) -> list[RenderableType]:
    figures = (count.files, count.lines, count.functions, count.classes, count.nesting)
    return [Text(count.name, "cyan"), *(Text(f"{figure:,}") for figure in figures), _share(count.documented)]


def _share(share: float) -> Text:
    full, rest = divmod(round(share * _BAR * 8), 8)
    bar = ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(_BAR)
    return Text.assemble((bar, "green"), f" {share:4.0%}")


def _remarks(census: Census) -> Iterator[RenderableType]:
    if census.deepest is not None:
        yield Text(f"The deepest statement is in {census.deepest.nesting} blocks, in {census.deepest.path}.")
    yield Text(_on_unparsed(census))
    for file in census.unparsed:
        line = Text.assemble(f"{file.path}  ", (file.error, "red"), no_wrap=True, overflow="ellipsis")
        yield Padding(line, (0, 0, 0, 2))


def _on_unparsed(census: Census) -> str:
    if census.added is not None:
        return f"Every file of the library parses, so the demo added one that does not, {census.added}:"
    files = "One file does" if len(census.unparsed) == 1 else f"{len(census.unparsed)} files do"
    return f"{files} not parse:"
