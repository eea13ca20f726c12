"""The census from an empty folder to the report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.text import Text

from jobyard.cli import output
from jobyard.cli.demo.closing import after_failure, after_interrupt, after_success
from jobyard.cli.demo.display import Lines, Picture
from jobyard.cli.demo.follow import Follower
from jobyard.cli.failure import FAILED, INTERRUPTED, Failure
from jobyard.cli.session import Session
from jobyard.cli.worker.ticker import Ticker
from jobyard.demo.place import cleared, url_of
from jobyard.demo.table import as_table
from jobyard.model.job import Job
from jobyard.yard import Yard

__all__ = ["run"]

_APP = "jobyard.demo.tasks"
_MOST_PROCESSES = 8
_REFRESH = 0.1


def run(session: Session, folder: Path) -> int:
    """Take the census, show it, and say what to look at next; returns the exit code."""
    _clear(folder)
    session.given |= {"url": url_of(folder), "app": _APP}
    yard = session.yard(may_be_new=True)
    first = yard.tasks.get("census.find").enqueue(str(folder))
    with _shown(Follower(yard, first.id)):
        left = _work(yard)
    report = next(iter(yard.jobs(task="census.report")), None)
    if report is None or report.status != "succeeded":
        return _ended_early(yard, folder, left)
    output.show(Text(), as_table(report.result), Text(), after_success(yard, folder, report.result))
    return 0


def _clear(folder: Path) -> None:
    try:
        cleared(folder)
    except OSError as error:
        msg = f"--folder: {error}"
        raise Failure(msg) from error


def _work(yard: Yard) -> int:
    """Run the jobs in processes, since parsing holds the interpreter; returns how many are left."""
    processes = min(max(os.cpu_count() or 1, 2), _MOST_PROCESSES)
    return yard.worker(concurrency=processes, processes=processes).run_until_idle().left


@contextmanager
def _shown(follower: Follower) -> Iterator[None]:
    display = (Picture if output.is_terminal() else Lines)(follower)
    with follower, display, Ticker("demo", _REFRESH, display.tick):
        yield


def _ended_early(yard: Yard, folder: Path, left: int) -> int:
    if left:
        output.show(after_interrupt(folder, left))
        return INTERRUPTED
    output.show(after_failure(folder, _failed_step(yard)))
    return FAILED


def _failed_step(yard: Yard) -> Job[object] | None:
    """The first job that should not have failed; what depends on it failed after it."""
    steps = ["census.find", "census.count", "census.collect", "census.report"]
    return next(iter(yard.jobs(task=steps, status="failed", order="id", limit=1)), None)
