"""The progress of a job as a tree with bars, rates and the time left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobyard.cli import format
from jobyard.cli.status import cell
from jobyard.model.progress import Progress, ProgressNode, progress_tree

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["Pace", "progress_lines", "progress_table"]

_BAR = 24
_MEMORY = 30.0
"""Seconds over which the rate is measured while somebody watches."""


class Pace:
    """
    How fast each group advances, as far as it was seen.

    A look at a job knows only when it began; who watches it has samples, which tell more about the rate right now.
    """

    def __init__(self) -> None:
        self._samples: dict[tuple[str, ...], list[tuple[float, float]]] = {}

    def note(self, node: ProgressNode, at: float) -> None:
        """Remember what a group and those below it show at this moment of the monotonic clock."""
        samples = self._samples.setdefault(node.group, [])
        if samples and node.current < samples[-1][1]:
            samples.clear()  # it began again
        samples.append((at, node.current))
        while len(samples) > 2 and at - samples[0][0] > _MEMORY:
            del samples[0]
        for child in node.children:
            self.note(child, at)

    def rate(self, node: ProgressNode, elapsed: float | None) -> float | None:
        """Steps a second; None if nothing tells."""
        samples = self._samples.get(node.group, [])
        if len(samples) > 1:
            (first, before), (last, now) = samples[0], samples[-1]
            if now > before and last - first >= 1:
                return (now - before) / (last - first)
        return node.current / elapsed if elapsed and node.current > 0 else None


def progress_table(rows: list[Progress], elapsed: float | None, pace: Pace | None = None) -> Table:
    """*elapsed*: seconds since the code of the job began; None if it does not run."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name in ("group", "bar", "percent", "count", "rate", "left", "status"):
        table.add_column(justify="right" if name in ("percent", "count", "rate", "left") else "left")
    for depth, node in _walk(progress_tree(rows)):
        table.add_row(*_row(node, depth, elapsed, pace or Pace()))
    return table


def progress_lines(rows: list[Progress]) -> list[str]:
    """The groups that were reported, each in one line of plain text."""
    lines = []
    for row in rows:
        name = "::".join(row.group) or "progress"
        of = f"/{format.amount(row.total)}" if row.total is not None else ""
        share = f" {format.percent(row.fraction)}" if row.fraction is not None else ""
        lines.append(f"{name} {format.amount(row.current)}{of}{share} {row.status}".rstrip())
    return lines


def _walk(node: ProgressNode, depth: int = 0) -> Iterator[tuple[int, ProgressNode]]:
    """The nodes worth a line; the whole job is one if it reported, or has several parts to sum up."""
    shown = bool(node.group) or node.reported or len(node.children) > 1
    if shown:
        yield depth, node
    for child in node.children:
        yield from _walk(child, depth + shown)


def _row(node: ProgressNode, depth: int, elapsed: float | None, pace: Pace) -> list[Text]:
    from rich.text import Text

    name = cell("  " * depth + (node.name or "all"), "bold" if depth == 0 else "")
    name.plain = "  " * depth + name.plain
    done = node.fraction is not None and node.fraction >= 1
    rate = None if done or elapsed is None else pace.rate(node, elapsed)
    left = None
    if rate and node.total is not None:
        left = format.time_left(node.current, node.total, node.current / rate)
    return [
        name,
        _bar(node.fraction, done),
        Text("" if node.fraction is None else format.percent(node.fraction)),
        Text(format.amount(node.current) + ("" if node.total is None else f"/{format.amount(node.total)}")),
        Text("" if rate is None else format.rate(rate, 1), style="dim"),
        Text("" if left is None else f"{format.length(left)} left", style="cyan"),
        cell(node.status, "dim"),
    ]


def _bar(fraction: float | None, done: bool) -> Text:
    from rich.text import Text

    if fraction is None:
        return Text("·" * _BAR, style="dim")
    return Text(format.bar(fraction, _BAR), style="green on grey23" if done else "blue on grey23")
