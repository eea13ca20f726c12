"""The options that choose jobs, the same for `job list` and for the actions on many jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobyard.cli.names import DEFINITIONS, QUEUES, TASKS
from jobyard.cli.params import STATUS, past
from jobyard.model.states import Status

if TYPE_CHECKING:
    from jobyard.model.job import Job
    from jobyard.yard import Yard

__all__ = ["JobChoice", "choice_options"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class JobChoice:
    """What the options chose; empty ones choose all."""

    status: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    definition: str | None = None
    requester: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def with_statuses(self, statuses: Iterable[Status]) -> JobChoice:
        """The same of other statuses."""
        return replace(self, status=tuple(status.value for status in Status if status in set(statuses)))

    def find(self, yard: Yard, *, limit: int | None, oldest_first: bool = False) -> list[Job[Any]]:
        """The jobs that fit."""
        return yard.jobs(
            status=self.status or None,
            queue=self.queue or None,
            task=self.task or None,
            definition=self.definition,
            requester=self.requester,
            since=self.since,
            until=self.until,
            order="id" if oldest_first else "-id",
            limit=limit,
        )


_OPTIONS = (
    click.option("--status", type=STATUS, multiple=True, help="In this status; may be repeated."),
    click.option(
        "--queue", multiple=True, metavar="NAME", shell_complete=QUEUES, help="On this queue; may be repeated."
    ),
    click.option("--task", multiple=True, metavar="NAME", shell_complete=TASKS, help="Of this task; may be repeated."),
    click.option("--definition", metavar="NAME", shell_complete=DEFINITIONS, help="Made from this definition."),
    click.option("--requester", metavar="NAME", help="Asked for by this user."),
    click.option("--since", type=past, metavar="WHEN", help="Received since a time, or an age like 90s, 6h, 7d."),
    click.option("--until", type=past, metavar="WHEN", help="Received before a time, or an age like 90s, 6h, 7d."),
)


def choice_options(function: F) -> F:
    """The options, given to the function as the fields of `JobChoice`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
