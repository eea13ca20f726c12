"""Stored jobs that the tasks of this process could not run, found before a worker does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.errors import BadArguments, UnknownTask
from jobyard.model.rows import JobRow
from jobyard.model.states import STATUSES, UNFINISHED, Status
from jobyard.store.filters import JobFilter, find_jobs

if TYPE_CHECKING:
    from jobyard.yard.yard import Yard

__all__ = ["Misfit", "misfits"]


@dataclass(frozen=True, slots=True)
class Misfit:
    """An op of an unfinished job whose task is unknown here, or does not take its arguments any more."""

    id: int
    status: Status
    queue: str
    task: str
    problem: str


def misfits(yard: Yard) -> Iterator[Misfit]:
    """
    The misfits of all unfinished jobs, oldest first.

    An argument that will be the result of another job can only be judged when it is there; of such calls the names
    and the number of the arguments are checked.
    """
    filter = JobFilter(statuses=tuple(UNFINISHED), newest_first=False, limit=None)
    now = yard.store.now()
    with yard.store.read() as tx:
        rows = find_jobs(tx, filter, now)
    for row in rows:
        for task, args, refs in _calls(yard, row):
            if problem := _problem(yard, task, args, has_refs=bool(refs)):
                yield Misfit(row.id, STATUSES[row.status], row.queue, task, problem)


def _calls(yard: Yard, row: JobRow) -> list[tuple[str, str, str | None]]:
    """(task, arguments, references) of the ops that are still to run."""
    if row.op_count == 1:
        return [(row.task, row.args, row.refs)]
    with yard.store.read() as tx:
        ops = yard.store.jobs.ops(tx, [row.id]).get(row.id, [])
    return [(op.task, op.args, op.refs) for op in ops[row.cursor :]]


def _problem(yard: Yard, task: str, args: str, *, has_refs: bool) -> str | None:
    try:
        signature = yard.tasks.get(task).signature
        if has_refs:
            given, named = yard.codec.decode_any_arguments(args)
            signature.bind(len(given), tuple(named))
        else:
            yard.codec.decode_arguments(signature, args)
    except (UnknownTask, BadArguments) as error:
        return str(error)
    return None
