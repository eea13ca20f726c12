"""A host that runs plain functions, and hears what is said."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support import eventually

from jobyard.context import Link
from jobyard.model.codec import JSON, Signature
from jobyard.model.messages import Call, Outcome, Run, Upstream
from jobyard.model.rows import JobRow, OpRow
from jobyard.worker.host import Host
from jobyard.worker.shop import HostOptions


@dataclass
class PlainTask:
    """A function with what a host asks of a task."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    signature: Signature
    log_prints: bool = False


def task(function: Callable[..., Any], **options: Any) -> PlainTask:
    return PlainTask(
        function.__name__, function, inspect.iscoroutinefunction(function), Signature.of(function), **options
    )


def row(id: int = 1, task: str = "", args: str = "[]", **fields: Any) -> JobRow:
    values: dict[str, Any] = dict.fromkeys(JobRow.__struct_fields__)
    numbers = ("status", "rank", "priority", "due", "failures", "crashes", "open_parents", "cursor", "log_serial")
    values.update(dict.fromkeys(numbers, 0))
    values.update(queue="default", epoch=1, attempt=1, op_count=1, received_at=0)
    values.update(fields, id=id, task=task, args=args)
    return JobRow(**values)


def run(task: str, id: int = 1, args: str = "[]", **options: Any) -> Run:
    fields = {name: options.pop(name) for name in list(options) if name in JobRow.__struct_fields__}
    return Run(row(id, task, args, **fields), **options)


def run_ops(*calls: tuple[str, str], id: int = 1, **options: Any) -> Run:
    to_run = [Call(index, task, args) for index, (task, args) in enumerate(calls)]
    ops = [OpRow(id, call.index, call.task, call.args, None, 0, None, None, None, None, None) for call in to_run]
    return Run(row(id, calls[0][0], "", op_count=len(calls)), calls=to_run, ops=ops, **options)


@dataclass
class Ear:
    """All that a host has said."""

    messages: list[Any] = field(default_factory=list)

    def __call__(self, messages: Upstream) -> None:
        self.messages.extend(messages)

    def of(self, kind: type, id: int | None = None) -> list[Any]:
        return [m for m in list(self.messages) if isinstance(m, kind) and id in (None, m.id)]

    def outcomes(self, count: int = 1, id: int | None = None) -> list[Outcome]:
        """The outcomes, once there are that many."""
        eventually(lambda: len(self.of(Outcome, id)) >= count)
        return self.of(Outcome, id)

    def outcome(self, id: int = 1) -> Outcome:
        return self.outcomes(id=id)[-1]

    def lines(self, id: int = 1) -> list[Any]:
        """The log lines of a run so far."""
        said = [m for m in list(self.messages) if hasattr(m, "lines") and m.id == id]
        return [line for message in said for line in message.lines]


def link(**parts: Callable[..., Any]) -> Link:
    """What a yard would lend; what a test does not give is not to be used."""
    names = ("make_job", "new_job", "stored", "enqueue", "aenqueue", "finish", "afinish")
    return Link(**{**dict.fromkeys(names, _unused), **parts})


def _unused(*_: Any) -> Any:
    raise AssertionError


@contextmanager
def hosting(
    *functions: Callable[..., Any] | PlainTask,
    slots: int = 4,
    options: HostOptions | None = None,
    lent: Link | None = None,
) -> Iterator[tuple[Host, Ear]]:
    """A host of these functions."""
    tasks = {t.name: t for t in (f if isinstance(f, PlainTask) else task(f) for f in functions)}
    ear = Ear()
    host = Host(tasks, slots=slots, send=ear, codec=JSON, link=lent or link(), options=options)
    host.start()
    try:
        yield host, ear
    finally:
        host.take_back()
        host.stop()
        host.leave()
