"""
The jobs of the census.

`find` makes the others: a `count` for every few files, and a `collect` that waits for all of these. A `count` hands a
file that does not parse to a `parse` of its own. Only `collect` knows all of those, so it is what makes the `report`,
which waits for them however they end.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobyard import Job, Retry, Yard, ctx, retval
from jobyard.demo import chart, table
from jobyard.demo.census import Census, Unparsed, added_up, by_package
from jobyard.demo.library import folder_of_library, source_files
from jobyard.demo.place import ADDED, CHART, REPORT
from jobyard.demo.source import UNPARSABLE, FileCount, count_source

__all__ = ["FILES_AT_ONCE", "Counted", "Found", "collect", "count", "find", "parse", "report", "yard"]

FILES_AT_ONCE = 8
_BROKEN = 'def greet(name)\n    print(f"Hello, {name}!")\n'

_log = logging.getLogger("census")

yard = Yard()


@dataclass(frozen=True, slots=True)
class Found:
    """What `find` found: how many files, and how many jobs it made of them."""

    library: str
    files: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What `count` counted, and the jobs it made for what does not parse."""

    files: list[FileCount]
    handed_on: list[int]


@yard.task(name="census.find", title="find the source files", retry=Retry(3, delay=1))
def find(folder: str) -> Found:
    """
    Find the files of the library, and make the jobs that count what is in them.

    Should this attempt be interrupted, the next one makes the same jobs, which their tokens know to be there already.
    """
    library = folder_of_library()
    files = source_files(library)
    _log.info("%d source files in %s", len(files), library)
    batches = [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)]
    jobs: list[Job[Counted]] = []
    for number, batch in enumerate(ctx.track(batches, group="batches")):
        op, token = count.op(str(library), batch), f"{ctx.job.id}:batch:{number}"
        jobs.append(ctx.enqueue(op, title=_title(batch), token=token))
    ids = [job.id for job in jobs]
    ctx.enqueue(collect.op(ids, [retval(job) for job in jobs], folder), token=f"{ctx.job.id}:collect")
    return Found(str(library), len(files), len(jobs))


@yard.task(name="census.count")
def count(library: str, paths: list[str]) -> Counted:
    """Count what is in a few files."""
    counted = Counted([], [])
    for path in ctx.track(paths, group="files"):
        file = Path(library, path)
        try:
            counted.files.append(count_source(path, file.read_bytes(), file=str(file)))
        except UNPARSABLE as error:
            _log.warning("%s does not parse: %s", path, error)
            alone = ctx.enqueue(parse.op(library, path), title=f"parse {path}", token=f"{ctx.job.id}:{path}")
            counted.handed_on.append(alone.id)
    return counted


@yard.task(name="census.parse", user_errors=UNPARSABLE)
def parse(library: str, path: str) -> FileCount:
    """Count what is in one file. It did not parse in a batch, so this is expected to fail, with the reason."""
    file = Path(library, path)
    return count_source(path, file.read_bytes(), file=str(file))


@yard.task(name="census.collect", title="collect what did not parse", retry=Retry(3, delay=1))
def collect(batches: list[int], counted: list[Counted], folder: str) -> int:
    """Make the job that writes the report, now that all that it has to wait for is known."""
    alone = [id for batch in counted for id in batch.handed_on]
    added = None
    if not alone:
        added = ADDED
        Path(folder, added).write_text(_BROKEN, encoding="utf-8")
        _log.info("every file parses, so one that does not is added: %s", Path(folder, added))
        alone = [ctx.enqueue(parse.op(folder, added), title=f"parse {added}", token=f"{ctx.job.id}:{added}").id]
    op = report.op([retval(id) for id in batches], alone, folder, added)
    after = {id: {"succeeded", "failed"} for id in alone}
    written: Job[Census] = ctx.enqueue(op, after=after, token=f"{ctx.job.id}:report")
    return written.id


@yard.task(name="census.report", title="write the report and the chart")
def report(counted: list[Counted], alone: list[int], folder: str, added: str | None) -> Census:
    """Add everything up, and write the report as a text and as a picture."""
    jobs = [yard.job(id) for id in alone]
    files = [file for batch in counted for file in batch.files]
    files += [job.result for job in jobs if job.status == "succeeded"]
    packages = by_package(files)
    census = Census(
        python=platform.python_version(),
        library=str(folder_of_library()),
        total=added_up("in all", files),
        packages=[added_up(name, inside) for name, inside in packages.items()],
        deepest=max(files, key=lambda file: file.nesting, default=None),
        unparsed=[_unparsed(job) for job in jobs if job.status == "failed"],
        added=added,
    )
    Path(folder, REPORT).write_text(table.as_text(census), encoding="utf-8")
    Path(folder, CHART).write_text(chart.draw(census, packages), encoding="utf-8")
    _log.info("%s and %s are in %s", REPORT, CHART, folder)
    return census


def _title(batch: Sequence[str]) -> str:
    more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
    return f"count {batch[0]}{more}"


def _unparsed(job: Job[FileCount]) -> Unparsed:
    error = job.error
    return Unparsed(job.ops[0].args[1], job.id, error.summary if error else "")
