"""
The names that a shell completes: of tasks, queues, definitions and machines.

Rule: it is quick and silent. Whoever presses Tab waits for it, and whatever goes wrong is said by the command itself.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from jobyard.cli.session import Session

if TYPE_CHECKING:
    from jobyard.model.rows import JobRow
    from jobyard.store.driver import Transaction
    from jobyard.yard import Yard

__all__ = ["DEFINITIONS", "MACHINES", "QUEUES", "QUEUE_LIST", "TASKS", "Names"]

Read = Callable[["Yard"], Iterable[str]]

_PATIENCE = 2.0
"""Seconds, of which importing an application takes most."""
_NEWEST = 500
"""So many jobs are looked at: all names of a long table would take too long."""


class Names:
    """Completes names that *read* finds; given to an option or argument as ``shell_complete``."""

    def __init__(self, read: Read, *, divided: bool = False) -> None:
        self._read = read
        self._divided = divided

    def __call__(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        before, comma, part = incomplete.rpartition(",") if self._divided else ("", "", incomplete)
        found = _read_quickly(ctx.ensure_object(Session), self._read)
        return [f"{before}{comma}{name}" for name in sorted(found) if name.startswith(part)]


def _read_quickly(session: Session, read: Read) -> set[str]:
    """What *read* finds in the yard of the command until it fails, or takes too long."""
    found: set[str] = set()

    def look() -> None:
        # Of whatever an application does when it is imported, and whatever is wrong with the store.
        with contextlib.suppress(BaseException):
            found.update(read(session.yard(may_be_new=True)))

    looking = threading.Thread(target=look, daemon=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        looking.start()
        looking.join(_PATIENCE)
        session.close()
    return set(found)


def _tasks(yard: Yard) -> Iterable[str]:
    yield from (name for task in yard.tasks for name in (task.name, *task.aliases))
    with _reading(yard) as tx:
        for worker in yard.store.workers.alive(tx):
            yield from worker.tasks
        yield from (row.task for row in _newest(yard, tx))


def _queues(yard: Yard) -> Iterable[str]:
    yield from (task.queue for task in yard.tasks)
    with _reading(yard) as tx:
        yield from yard.store.queues.all(tx)
        for worker in yard.store.workers.alive(tx):
            yield from worker.queues or ()
        yield from (row.queue for row in _newest(yard, tx))


def _definitions(yard: Yard) -> Iterable[str]:
    with _reading(yard) as tx:
        yield from (definition.name for definition in yard.store.definitions.all(tx))


def _machines(yard: Yard) -> Iterable[str]:
    with _reading(yard) as tx:
        yield from (machine.name for machine in yard.store.machines.all(tx))


@contextlib.contextmanager
def _reading(yard: Yard) -> Iterator[Transaction]:
    """A read transaction; of a file that is not there none is made."""
    if not yard.store.driver.is_there:
        raise FileNotFoundError(yard.store.location)
    with yard.store.read() as tx:
        yield tx


def _newest(yard: Yard, tx: Transaction) -> list[JobRow]:
    from jobyard.store.filters import JobFilter, find_jobs  # only whoever presses Tab waits for it

    return find_jobs(tx, JobFilter(limit=_NEWEST), yard.store.now())


TASKS = Names(_tasks)
QUEUES = Names(_queues)
QUEUE_LIST = Names(_queues, divided=True)
"""Of an option that takes them divided by commas."""
DEFINITIONS = Names(_definitions)
MACHINES = Names(_machines)
