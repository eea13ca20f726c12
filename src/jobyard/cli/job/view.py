"""All of a job on a terminal: what `job show` prints once and `job watch` keeps printing."""

from __future__ import annotations

import pprint
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobyard.cli import format, output
from jobyard.cli.job.log import entry_line, entry_text
from jobyard.cli.job.progress import Pace, progress_table
from jobyard.cli.status import cell, status_text
from jobyard.errors import InvalidTransition
from jobyard.model.instants import from_micros
from jobyard.model.job import Job
from jobyard.model.op import Attempt, Op
from jobyard.model.states import FINAL, HELD, Status
from jobyard.model.text import shorten
from jobyard.model.traceback import RemoteError, StackTrace

__all__ = ["cleanup_view", "job_summary", "job_view", "why_view"]

_RESULT = 2_000
"""Characters shown of a result; --json has all of them."""
_OPS = 20
"""Ops in a row without news that are shown one by one."""

View = Iterator[RenderableType]


def job_view(job: Job[Any], now: int, lines: int, pace: Pace | None = None) -> View:
    """Everything, in the order in which people ask."""
    yield from job_summary(job, now, lines, pace)
    yield from why_view(job)
    yield from _attempts(job.attempts)
    if job.status is Status.SUCCEEDED:
        yield from _result(job.ops[-1].result)
    if job.error is not None and job.status is not Status.SUCCEEDED:
        yield from _error(job.error)
    yield from _last_stack(job)


def job_summary(job: Job[Any], now: int, lines: int, pace: Pace | None = None) -> View:
    """The part that changes while a job runs."""
    at = from_micros(now)
    yield _title(job)
    yield Padding(_facts(job, at), (0, 0, 0, 2))
    if len(job.ops) > 1:
        yield from _section("ops", *_ops(job, at))
    if rows := job.progress:
        yield from _section("progress", progress_table(rows, _elapsed(job, at), pace))
    if job.logtail:
        yield from _section("log tail", Text(job.logtail.rstrip()))
    yield from _log(job, lines)


def _title(job: Job[Any]) -> Text:
    return Text.assemble(
        ("job ", "dim"),
        (str(job.id), "bold cyan"),
        "  ",
        status_text(job.status, mark=True),
        "  ",
        cell(job.title, "bold"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _facts(job: Job[Any], now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for name, value in _fact_lines(job, now):
        table.add_row(name, value)
    return table


def _fact_lines(job: Job[Any], now: datetime) -> Iterator[tuple[str, Text]]:
    if len(job.ops) == 1:
        yield "call", Text(job.ops[0].call)
    queue = Text(job.queue)
    if job.priority:
        queue.append(f"   priority {job.priority}", "dim")
    yield "queue", queue
    for name in ("requester", "definition"):
        if value := getattr(job, name):
            yield name, cell(value)
    if job.tags:
        yield "tags", cell(", ".join(job.tags))
    yield "received", Text(format.moment(job.received_at, now))
    yield from _times(job, now)
    if job.worker or job.machine:
        yield "worker", _worker(job, now)


def _times(job: Job[Any], now: datetime) -> Iterator[tuple[str, Text]]:
    if job.status is Status.SCHEDULED or (job.status not in FINAL and job.due > now):
        yield "due", Text(format.moment(job.due, now), style="blue")
    if job.started_at is not None:
        started = Text(format.moment(job.started_at, now))
        if job.attempt > 1:
            started.append(f"   attempt {job.attempt}", "yellow")
        yield "started", started
    if job.ended_at is not None:
        ended = Text(format.moment(job.ended_at, now))
        if job.started_at is not None:
            ended.append(f"   after {format.length((job.ended_at - job.started_at).total_seconds())}", "cyan")
        yield "ended", ended


def _worker(job: Job[Any], now: datetime) -> Text:
    text = Text(job.worker or "-")
    if job.machine and job.machine not in (job.worker or ""):
        text.append(f" on {job.machine}")
    if job.heartbeat is not None:
        text.append(f"   heartbeat {format.ago(job.heartbeat, now)}", "dim")
    return text


def _section(title: str, *content: RenderableType) -> View:
    yield Text()
    yield Text(title, style="bold")
    yield Padding(Group(*content), (0, 0, 0, 2))


def _ops(job: Job[Any], now: datetime) -> View:
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "left", "right", "left"):
        table.add_column(justify=justify)
    shown = _shown_ops(job.ops)
    for op in job.ops:
        if op.index in shown:
            table.add_row(
                Text(str(op.index), style="dim"),
                status_text(op.status, mark=True),
                cell(op.call),
                Text(_took(op, _begun(job, op), now), style="cyan"),
                _op_news(op),
            )
    yield table
    if hidden := len(job.ops) - len(shown):
        yield Text(f"and {format.plural(hidden, 'more op')}", style="dim")


def _shown_ops(ops: list[Op]) -> set[int]:
    """Of very many ops those around the one that runs, failed, or is next."""
    if len(ops) <= 2 * _OPS:
        return {op.index for op in ops}
    at = next((op.index for op in ops if op.status is not Status.SUCCEEDED), len(ops) - 1)
    return set(range(max(0, at - _OPS), min(len(ops), at + _OPS)))


def _begun(job: Job[Any], op: Op) -> datetime | None:
    """When the op began. Of one that runs the store may not know yet: then when the one before it ended."""
    before = job.ops[op.index - 1].ended_at if op.index else job.started_at
    return op.exec_at or op.started_at or (before if op.status in HELD else None)


def _took(op: Op, begun: datetime | None, now: datetime) -> str:
    end = op.ended_at or (now if op.status in HELD else None)
    return "" if begun is None or end is None else format.length((end - begun).total_seconds())


def _op_news(op: Op) -> Text:
    if op.error is not None:
        return cell(op.error.summary, "red")
    return cell(shorten(repr(op.result), 60), "dim") if op.result is not None else Text()


def _elapsed(job: Job[Any], now: datetime) -> float | None:
    """Seconds since the code that runs began."""
    running = next((op for op in job.ops if op.status in HELD), None)
    begun = _begun(job, running) if running else None
    return (now - begun).total_seconds() if begun is not None else None


def _log(job: Job[Any], lines: int) -> View:
    if not lines or not job.log_serial:
        return
    entries = job.get_log_entries(max(0, job.log_serial - lines))
    if not entries:
        return
    title = (
        "log"
        if job.log_serial <= lines
        else f"log (last {len(entries)} of {job.log_serial:,}, all: jobyard job log {job.id})"
    )
    if output.is_terminal():
        yield from _section(title, *map(entry_text, entries))
    else:
        yield from _section(title, *[Text(entry_line(entry)) for entry in entries])


def why_view(job: Job[Any]) -> View:
    if job.status in FINAL or job.status in HELD:
        return
    if reasons := job.why():
        yield from _section("why it does not run", *[Text(f"- {reason.text}", style="yellow") for reason in reasons])


def cleanup_view(job: Job[Any], error: str) -> View:
    """Of a build that could not be deleted."""
    again = f"the next prune calls it again, and so does jobyard definition delete-build {job.id}"
    yield from _section("clean-up failed", cell(error, "red"), Text(again, style="dim"))


def _attempts(attempts: list[Attempt]) -> View:
    if len(attempts) < 2:
        return
    table = Table.grid(padding=(0, 2))
    for attempt in attempts:
        error = cell(attempt.error.summary, "red") if attempt.error else Text()
        table.add_row(
            Text(str(attempt.number), style="dim"), status_text(attempt.outcome), _attempt_took(attempt),
            cell(attempt.worker or "-", "dim"), error,
        )  # fmt: skip
    yield from _section("attempts", table)


def _attempt_took(attempt: Attempt) -> Text:
    if attempt.started_at is None or attempt.ended_at is None:
        return Text("-")
    return Text(format.length((attempt.ended_at - attempt.started_at).total_seconds()), style="cyan")


def _result(result: Any) -> View:
    from rich.highlighter import ReprHighlighter

    text = shorten(pprint.pformat(result, width=96), _RESULT)
    yield from _section("result", ReprHighlighter()(Text(text)))


def _error(error: RemoteError) -> View:
    if output.is_terminal():
        yield from _section("error")
        yield error
    else:
        yield from _section("error", Text(str(error)))


def _last_stack(job: Job[Any]) -> View:
    if job.status in HELD:
        return
    try:
        found: StackTrace = job.stack()
    except InvalidTransition:
        return  # none was ever taken
    if output.is_terminal():
        yield Text()
        yield found
    else:
        yield from _section("stack as it was last taken", Text(str(found)))
