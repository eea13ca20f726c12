"""How the census looks while it is taken: a picture that moves on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobyard.cli import format, output
from jobyard.cli.demo.follow import Ending, Follower
from jobyard.cli.status import MARKS, STYLES, cell
from jobyard.model.states import Status

__all__ = ["Lines", "Picture"]

_SAY_EVERY = 1.0
_SHOWN = (Status.SUCCEEDED, Status.FAILED, Status.RUNNING, Status.QUEUED, Status.WAITING)
_BAR = 46


class Picture:
    """Draws itself anew with every tick."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._live = Live(console=output.console(), auto_refresh=False)

    def __enter__(self) -> Picture:
        self._live.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self.tick()
        self._live.__exit__(None, None, None)

    def tick(self) -> None:
        self._follower.look()
        self._live.update(Group(*self._rows()), refresh=True)

    def _rows(self) -> Iterator[RenderableType]:
        follower = self._follower
        yield Text.assemble(("Census of the standard library", "bold"), (f"  {follower.library}", "dim"))
        yield Text()
        yield self._bar()
        yield _counts(follower)
        yield Text()
        for ending in follower.endings:
            yield _ending(ending)

    def _bar(self) -> Table:
        follower = self._follower
        row = Table.grid(padding=(0, 2, 0, 0))
        share = follower.files / follower.total if follower.total else 0.0
        bar = ProgressBar(total=follower.total, completed=follower.files, width=_BAR, pulse=follower.total is None)
        files = f"{follower.files:,} of {follower.total:,} files" if follower.total else "looking for files"
        row.add_row(bar, format.percent(share), Text(files), Text(f"{follower.rate():,.0f} files/s", "dim"))
        return row


class Lines:
    """Says once a second how far things are, and at once what failed."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._failures = 0
        self._said_at = 0.0

    def __enter__(self) -> Lines:
        output.line("Taking a census of Python's standard library")
        return self

    def __exit__(self, *_: Any) -> None:
        self._follower.look()
        self._say()

    def tick(self) -> None:
        self._follower.look()
        if time.monotonic() - self._said_at >= _SAY_EVERY:
            self._say()

    def _say(self) -> None:
        self._said_at = time.monotonic()
        follower = self._follower
        for ending in follower.failures[self._failures :]:
            output.line(f"job {ending.id} ({ending.title}) failed: {ending.error}")
        self._failures = len(follower.failures)
        if follower.total is not None:
            jobs = ", ".join(f"{count:,} {status}" for status in _SHOWN if (count := follower.counts.get(status)))
            output.line(f"{follower.files:,} of {follower.total:,} files, {follower.rate():,.0f} files/s; jobs: {jobs}")


def _counts(follower: Follower) -> Text:
    parts = [
        Text(f"{MARKS[status]} {count:,} {status}", STYLES[status])
        for status in _SHOWN
        if (count := follower.counts.get(status, 0))
    ]
    return Text("   ").join(parts)


def _ending(ending: Ending) -> Text:
    mark = (f"{MARKS[ending.status]} ", STYLES[ending.status])
    said = (f"  {ending.error}", "red") if ending.error else (f"  {format.length(ending.seconds)}", "dim")
    line = Text.assemble(mark, (f"{ending.id:>4} ", "dim"), cell(ending.title), said)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
