"""
What a definition is, and what the end of one of its jobs does to it.

Rule: everything that the next job needs is in the row. A foreign runner, or a worker that knows none of the tasks, ends
a run like any other, and leaves the same next job behind.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.messages import Ended
from jobyard.model.references import Ref
from jobyard.model.retry import Retry
from jobyard.model.schedule import Schedule, next_slot
from jobyard.model.states import Status

__all__ = [
    "GOOD",
    "DefinitionRow",
    "DefinitionState",
    "Recipe",
    "Record",
    "ResultStatus",
    "TaskSays",
    "first_slot",
    "fitting",
    "recurrence_key",
    "result_of",
]


class DefinitionState(StrEnum):
    """Whether the jobs of a definition are made by themselves: only while it is ``active``."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    FAILING = "failing"
    RETIRED = "retired"


class ResultStatus(StrEnum):
    """How a run of a definition ended."""

    SUCCESS = "success"
    SUCCESS_NOCHANGE = "success_nochange"
    SUCCESS_PARTIAL = "success_partial"
    FAILURE = "failure"
    INTERNAL_FAILURE = "internal_failure"
    FAILURE_INVALID = "failure_invalid"
    FAILURE_UNSUPPORTED_FEATURE = "failure_unsupported_feature"
    FAILURE_FORBIDDEN = "failure_forbidden"
    FAILURE_REMOTE_BROKEN = "failure_remote_broken"
    RECLAIMED = "reclaimed"
    KILLED = "killed"

    @classmethod
    def checked(cls, status: object, name: str) -> ResultStatus:
        """The status that was given as the argument *name*. Raises `BadArguments`."""
        try:
            return cls(status)  # type: ignore[arg-type]
        except ValueError:
            msg = f"{name}={status!r}: a run ends with one of {', '.join(cls)}"
            raise BadArguments(msg) from None

    @property
    def job_status(self) -> Status:
        """What a job becomes that is finished with this."""
        if self in GOOD:
            return Status.SUCCEEDED
        return Status.CANCELED if self is ResultStatus.KILLED else Status.FAILED


_R = ResultStatus

GOOD = frozenset({_R.SUCCESS, _R.SUCCESS_NOCHANGE, _R.SUCCESS_PARTIAL})
"""These end a row of failures."""
_BAD = frozenset(ResultStatus) - GOOD - {_R.KILLED}
"""With these a job has failed."""

_USUAL = {
    Status.SUCCEEDED: _R.SUCCESS,
    Status.SKIPPED: _R.SUCCESS_NOCHANGE,
    Status.FAILED: _R.FAILURE,
    Status.CANCELED: _R.KILLED,
}


def result_of(status: Status, said: str | None = None) -> ResultStatus:
    """The result status of a job that has ended so, *said* being what was stored with it, if anything."""
    return _R(said) if said is not None else _USUAL[status]


def fitting(status: Status, ended: str, said: str | None, *, crashed: bool = False) -> str | None:
    """
    What to store as the result status of a run; None where the status of the job tells.

    Args:
        status: the final one of the job.
        ended: how its last attempt ended (`Ended`).
        said: what the task set, or the library. What does not go with the status of the job is not believed.
        crashed: the job was failed because its workers die.
    """
    if status is Status.CANCELED:
        return None
    if status is Status.FAILED:
        if crashed or ended == Ended.TIMEOUT:
            return _R.INTERNAL_FAILURE
        return said if said in _BAD else None
    return said if said in GOOD else None


class TaskSays(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the task, and the settings, said when the definition was stored: it holds where the recipe says nothing."""

    queue: str = "default"
    priority: int | None = None
    title: str | None = None
    every: float | None = None
    cron: str | None = None
    timezone: str | None = None
    failure_limit: int = 5


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The content of a definition. What is None was not said."""

    task: str
    function: str | None = None
    """The path by which the task was named, where it is a function without a decorator."""
    args: str = "[]"
    """Encoded, see `model.codec`."""
    refs: tuple[Ref, ...] = ()
    """The places in `args` that stand for results of dependencies, by name."""
    title: str | None = None
    notes: str | None = None
    dependencies: tuple[str, ...] = ()
    queue: str | None = None
    priority: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    protected: bool = False
    cleanup: str | None = None
    every: float | None = None
    cron: str | None = None
    timezone: str | None = None
    overlap: str = "skip"
    jitter: float | None = None
    failure_limit: int | None = None
    keep: float | None = None
    says: TaskSays = TaskSays()

    @property
    def schedule(self) -> Schedule:
        """The one in force: its own, else the task's."""
        source: Recipe | TaskSays = self if self.every is not None or self.cron is not None else self.says
        return Schedule(source.every, source.cron, self.timezone or source.timezone, self.jitter)

    @property
    def most_failures(self) -> int:
        """How many in a row it outlives."""
        return self.says.failure_limit if self.failure_limit is None else self.failure_limit


class DefinitionRow(msgspec.Struct, array_like=True, gc=False):
    """One row of ``definitions``; the order of the fields is that of the columns."""

    name: str
    position: int
    state: str
    task: str
    recurring: int
    keep: int | None
    options: str
    """JSON of a `Recipe`."""
    failures: int
    """In a row, of its recurrence."""
    failing_since: int | None
    """When the first of them ended."""
    last_started: int | None
    """The start of its newest result."""
    last_successful: int | None
    last_build: int | None
    """Its latest successful build, which others take the result of."""
    last_build_at: int | None
    created_at: int
    changed_at: int

    @property
    def recipe(self) -> Recipe:
        return _decode_recipe(self.options)


_decode_recipe = msgspec.json.Decoder(Recipe).decode


class Record(msgspec.Struct, array_like=True, gc=False):
    """What the runs of a definition that end at one time change of its row; the order is that of ``record``."""

    name: str
    ended_at: int
    started: int = 0
    """The start of the newest."""
    successful: int | None = None
    build: int | None = None
    """The newest that succeeded, by id: whichever of two ended last."""
    reset: int = 0
    """Whether a run of the recurrence ended its row of failures."""
    failures: int = 0
    """Of its recurrence, in a row, since."""

    def add(self, id: int, status: Status, result: ResultStatus, started_at: int, *, recurrence: bool) -> None:
        """Take in one more run, in the order of the ids. Those by hand stand beside the *recurrence*."""
        self.started = max(self.started, started_at)
        if status is Status.SUCCEEDED:
            self.build = id
        good = result in GOOD
        if good and result is not ResultStatus.SUCCESS_PARTIAL:
            self.successful = self.ended_at
        if recurrence and good:
            self.reset, self.failures = 1, 0
        elif recurrence:
            self.failures += 1


def recurrence_key(name: str) -> str:
    """The unique key that the one unfinished job of a recurrence holds."""
    return f"definition:{name}"


def first_slot(row: DefinitionRow, now: int, interval: float | None = None) -> int:
    """
    For when the first job is made of a definition that has none: by the start of its newest result.

    Args:
        interval: seconds from that start, in place of the schedule.
    """
    if row.last_started is None or (interval is None and not row.recurring):
        return now
    if interval is not None:
        return max(now, row.last_started + round(interval * 1_000_000))
    return next_slot(row.recipe.schedule, row.last_started, now)
