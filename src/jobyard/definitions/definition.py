"""A definition as users see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from jobyard.model import durations
from jobyard.model.definition import DefinitionRow, DefinitionState, Recipe, ResultStatus
from jobyard.model.instants import from_micros
from jobyard.model.job import Job
from jobyard.model.retry import Retry
from jobyard.model.states import Status

if TYPE_CHECKING:
    from jobyard.model.arguments import Arguments

__all__ = ["Definition", "Home", "Result", "build_label", "plain_retry"]


class Home(Protocol):
    """What a definition needs of the catalog that it came from."""

    def job_of(self, name: str) -> Job[Any] | None: ...
    def results_of(self, name: str, limit: int) -> list[Result]: ...
    def interval_of(self, recipe: Recipe) -> float | None: ...
    def arguments_of(self, recipe: Recipe) -> Arguments: ...
    def outdated_of(self, name: str) -> bool | None: ...
    def log_of(self, job: int) -> bytes | None: ...
    def is_running(self, name: str) -> bool: ...
    def get(self, name: str) -> Definition: ...


@dataclass(frozen=True)
class Result:
    """How one run of a definition ended. `machine` and `requester` are names; no requester: it ran by itself."""

    status: ResultStatus
    job: Job[Any]
    machine: str | None
    requester: str | None
    log_excerpt: str | None
    """The last lines that the run reported while it went on."""
    started_at: datetime
    ended_at: datetime
    _home: Home

    @property
    def log(self) -> bytes | None:
        """What `finish_job` was given."""
        return self._home.log_of(self.job.id)

    def __repr__(self) -> str:
        return f"<Result {self.status} of job {self.job.id}>"


class Definition:
    """
    A named recipe for jobs, as it was when it was read; `refresh` reads it again.

    It has every key of its YAML under the same name. What depends on others or on the clock (`job`, `results`,
    `outdated`, `status`) is read when it is asked for.
    """

    def __init__(self, row: DefinitionRow, home: Home) -> None:
        self._row = row
        self._home = home
        self._recipe = row.recipe

    def __repr__(self) -> str:
        return f"<Definition {self.name} {self.state}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Definition) and (self.name, self._home) == (other.name, other._home)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def name(self) -> str:
        return self._row.name

    @property
    def state(self) -> DefinitionState:
        return DefinitionState(self._row.state)

    @property
    def recipe(self) -> Recipe:
        """Its content, as it is stored."""
        return self._recipe

    @property
    def task(self) -> str:
        return self._recipe.task

    @property
    def function(self) -> str | None:
        """``module:function``, where its YAML says that in place of a task."""
        return self._recipe.function

    @property
    def args(self) -> tuple[Any, ...]:
        return self._home.arguments_of(self._recipe)[0]

    @property
    def kwargs(self) -> dict[str, Any]:
        return self._home.arguments_of(self._recipe)[1]

    @property
    def title(self) -> str | None:
        return self._recipe.title or self._recipe.says.title

    @property
    def notes(self) -> str | None:
        """What people should know, as reStructuredText."""
        return self._recipe.notes

    @property
    def dependencies(self) -> tuple[str, ...]:
        return self._recipe.dependencies

    @property
    def queue(self) -> str:
        """Its own, else that of its task."""
        return self._recipe.queue or self._recipe.says.queue

    @property
    def priority(self) -> int | None:
        return self._recipe.says.priority if self._recipe.priority is None else self._recipe.priority

    @property
    def retry(self) -> Retry | None:
        return self._recipe.retry

    @property
    def timeout(self) -> float | None:
        return self._recipe.timeout

    @property
    def protected(self) -> bool:
        """Whether people are asked before they build it by hand."""
        return self._recipe.protected

    @property
    def cleanup(self) -> str | None:
        """The task that is called, once, with the result of a build that is deleted."""
        return self._recipe.cleanup

    @property
    def every(self) -> float | None:
        return self._recipe.schedule.every

    @property
    def cron(self) -> str | None:
        return self._recipe.schedule.cron

    @property
    def timezone(self) -> str | None:
        return self._recipe.schedule.timezone

    @property
    def overlap(self) -> str:
        return self._recipe.overlap

    @property
    def jitter(self) -> float | None:
        return self._recipe.jitter

    @property
    def failure_limit(self) -> int:
        """How many failures in a row it outlives."""
        return self._recipe.most_failures

    @property
    def keep(self) -> float | None:
        """Seconds for which its jobs stay; None: as all others."""
        return self._recipe.keep

    @property
    def interval(self) -> float | None:
        """Seconds from one run to the next; with cron those from now to the next slot. None: it does not recur."""
        return self._home.interval_of(self._recipe)

    @property
    def failures(self) -> int:
        """In a row, of the runs that it makes by itself."""
        return self._row.failures

    @property
    def last_successful(self) -> datetime | None:
        return from_micros(self._row.last_successful)

    @property
    def date_last_successful(self) -> datetime | None:
        """`last_successful`, by Launchpad's name."""
        return self.last_successful

    @property
    def last_started(self) -> datetime | None:
        """The start of its newest result."""
        return from_micros(self._row.last_started)

    @property
    def last_build(self) -> int | None:
        """The id of its latest successful build."""
        return self._row.last_build

    @property
    def created_at(self) -> datetime:
        return from_micros(self._row.created_at)

    @property
    def changed_at(self) -> datetime:
        return from_micros(self._row.changed_at)

    @property
    def job(self) -> Job[Any] | None:
        """The unfinished job of its recurrence."""
        return self._home.job_of(self.name)

    @property
    def overdue(self) -> bool:
        """Whether its next job is due, and nobody has begun with it."""
        job = self.job
        return job is not None and job.status is Status.QUEUED

    @property
    def next_due(self) -> datetime | None:
        """When its next job is due."""
        job = self.job
        return job.due if job is not None else None

    @property
    def outdated(self) -> bool | None:
        """
        Whether something that it was made of, near or far, was built after it.

        None where nobody can tell: it, or one that it depends on, near or far, has no successful build.
        """
        return self._home.outdated_of(self.name)

    @property
    def status(self) -> str:
        """What became of its builds: ``not_built``, ``failed``, ``outdated`` or ``success``."""
        if self._row.last_build is None:
            return "failed" if self.results(limit=1) else "not_built"
        return "outdated" if self.outdated else "success"

    @property
    def has_running_builds(self) -> bool:
        return self._home.is_running(self.name)

    def results(self, limit: int = 10) -> list[Result]:
        """How its newest runs ended, newest first. A job that never started is none."""
        return self._home.results_of(self.name, limit)

    def refresh(self) -> Definition:
        """Read it again; returns itself. Raises `UnknownDefinition`."""
        found = self._home.get(self.name)
        self._row, self._recipe = found._row, found._recipe
        return self

    def keys(self) -> Mapping[str, Any]:
        """What its YAML says, by the keys of that; what was not said is left out."""
        return keys_of(self.name, self._recipe, self._home.arguments_of(self._recipe), self.state)


_SAID = (
    "title", "notes", "function", "dependencies", "queue", "priority", "retry", "timeout", "protected", "cleanup",
    "every", "cron", "timezone", "overlap", "jitter", "failure_limit", "keep",
)  # fmt: skip
_ORDER = ("name", "title", "notes", "task", "function", "state", "args", "kwargs", *_SAID[3:])
_RETRY = Retry(1)


def keys_of(name: str, recipe: Recipe, arguments: Arguments, state: str | None = None) -> dict[str, Any]:
    """A definition by the keys of its YAML, without those that say what holds anyway."""
    default = Recipe(task=recipe.task)
    said = {key: getattr(recipe, key) for key in _SAID if getattr(recipe, key) != getattr(default, key)}
    args, kwargs = list(arguments[0]), dict(arguments[1])
    said |= {key: value for key, value in (("args", args), ("kwargs", kwargs)) if value}
    if state == DefinitionState.DRAFT:
        said["state"] = str(state)
    said |= {key: durations.text(said[key]) for key in ("timeout", "every", "jitter", "keep") if key in said}
    if recipe.dependencies:
        said["dependencies"] = list(recipe.dependencies)
    if recipe.retry is not None:
        said["retry"] = plain_retry(recipe.retry)
    said |= {"name": name} if recipe.function is not None else {"name": name, "task": recipe.task}
    return {key: said[key] for key in _ORDER if key in said}


def plain_retry(retry: Retry) -> Any:
    """As YAML takes it: a number where nothing else is said."""
    names = ("delay", "factor", "max_delay", "jitter")
    said = {name: getattr(retry, name) for name in names if getattr(retry, name) != getattr(_RETRY, name)}
    if retry.on != _RETRY.on or retry.give_up_on:
        said |= {"on": list(retry.on), "give_up_on": list(retry.give_up_on)}
    return {"attempts": retry.attempts, **said} if said else retry.attempts


_LABELS = {
    Status.RUNNING: "RUNNING",
    Status.CANCELING: "RUNNING",
    Status.SUCCEEDED: "SUCCESSFUL",
    Status.SKIPPED: "SKIPPED",
    Status.FAILED: "FAILED",
    Status.CANCELED: "FAILED",
}


def build_label(status: Status) -> str:
    """The word for the status of a build: CREATED, RUNNING, SUCCESSFUL, SKIPPED or FAILED."""
    return _LABELS.get(status, "CREATED")
