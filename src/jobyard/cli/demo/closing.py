"""What the demo says last: where things are, and which commands show them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import join, quote

from rich.console import Group, RenderableType
from rich.text import Text

from jobyard.demo.census import Census
from jobyard.demo.place import CHART, REPORT, url_of
from jobyard.model.job import Job
from jobyard.yard import Yard

__all__ = ["after_failure", "after_interrupt", "after_success"]

_APP = "jobyard.demo.tasks"


def after_success(yard: Yard, folder: Path, census: Census) -> RenderableType:
    """Where the report is, and how to look at the jobs that wrote it."""
    [first] = yard.jobs(task="census.find", limit=1)
    steps = [(f"job log {first.id}", "what the first job said"), ("job list --limit 20", "the last jobs")]
    if census.unparsed:
        failed = census.unparsed[0].job
        steps.insert(0, (f"job show {failed}", "why one of them failed"))
        steps.insert(0, ("job list --status failed", "the files that do not parse"))
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    return Group(
        Text(f"The report is in {folder / REPORT}, its picture in {folder / CHART}. The jobs are still there:"),
        Text(),
        *_steps(folder, steps),
        Text(),
        Text(f"  {opener} {quote(str(folder / CHART))}", "cyan"),
    )


def after_interrupt(folder: Path, left: int) -> RenderableType:
    """How to go on."""
    jobs = "1 job is" if left == 1 else f"{left} jobs are"
    return Group(Text(f"Stopped; {jobs} left. To go on:"), *_steps(folder, [("worker --until-idle", "")], app=True))


def after_failure(folder: Path, failed: Job[object] | None) -> RenderableType:
    """Where to look."""
    what = f"job {failed.id} ({failed.title}) failed" if failed else "there is no report"
    words = f"job show {failed.id}" if failed else "job list"
    return Group(Text(f"The census could not be taken: {what}.", "bold red"), *_steps(folder, [(words, "")]))


def _steps(folder: Path, steps: Sequence[tuple[str, str]], *, app: bool = False) -> Iterator[Text]:
    """One line each, which no terminal cuts, since it is there to be copied; what it shows stands behind it."""
    program = f"{_program()} --url {quote(url_of(folder))}{f' --app {_APP}' if app else ''}"
    longest = max(len(words) for words, _ in steps)
    for words, told in steps:
        command = (f"{program} {words}", "cyan")
        yield Text.assemble("  ", command, " " * (longest - len(words) + 3), (told, "dim"), overflow="fold")


def _program() -> str:
    """How this program was called, in words that work when they are typed again."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return join([os.path.relpath(sys.executable), "-m", "jobyard"])
    found = shutil.which(called.name)
    if found and Path(found).resolve() == called.resolve():
        return called.name
    return quote(os.path.relpath(called))
