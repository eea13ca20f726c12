"""
What a task says about its jobs, and what a call says about one.

`TaskKeywords` and `CallKeywords` are the keywords as users write them, for the type checker; `TaskOptions` and
`CallOptions` are the same, checked. In both None means that nothing is said, and the next in the order call, task,
queue, yard decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

import msgspec

from jobyard.errors import UsageError
from jobyard.model.instants import to_micros
from jobyard.model.newjob import JobOptions, NewJob
from jobyard.model.retry import Retry
from jobyard.task import checks
from jobyard.task.dependencies import check_home

__all__ = ["DEFAULT_QUEUE", "CallKeywords", "CallOptions", "Duration", "TaskKeywords", "TaskOptions"]

DEFAULT_QUEUE = "default"

Duration = float | timedelta | str
"""Seconds, a timedelta, or a text like ``90s``, ``5m``, ``6h``, ``7d``."""

Unique = bool | str | Callable[..., object]

_MICROSECOND = timedelta(microseconds=1)


class TaskKeywords(TypedDict, total=False):
    """The keywords of ``@yard.task``."""

    name: str | None
    queue: str
    priority: int | None
    retry: int | Retry | None
    timeout: Duration | None
    heartbeat_timeout: Duration | None
    isolation: Literal["process"] | None
    unique: Unique | None
    resources: Iterable[str] | Mapping[str, int] | None
    memory_limit: int | str | None
    user_errors: type[BaseException] | Iterable[type[BaseException]]
    log_prints: bool
    aliases: Iterable[str]
    title: str | None
    ack: Literal["batch", "sync"]
    every: Duration | None
    cron: str | None
    timezone: str | None


class CallKeywords(TypedDict, total=False):
    """The keywords of ``task.using``, and of all that enqueues."""

    queue: str | None
    priority: int | None
    due: datetime | timedelta | None
    after: Iterable[Any] | Mapping[Any, Collection[str]] | None
    unique: Unique | None
    unique_for: Literal["finish", "start"] | Duration | None
    requester: str | None
    title: str | None
    token: str | None
    tags: Iterable[str] | None
    expires: Duration | None
    retry: int | Retry | None
    timeout: Duration | None
    heartbeat_timeout: Duration | None
    isolation: Literal["process"] | None
    memory_limit: int | str | None
    connection: Any


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of a task."""

    name: str | None = None
    queue: str = DEFAULT_QUEUE
    priority: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    heartbeat_timeout: float | None = None
    isolation: str | None = None
    unique: Unique | None = None
    resources: tuple[tuple[str, int], ...] = ()
    memory_limit: int | None = None
    user_errors: tuple[type[BaseException], ...] = ()
    log_prints: bool = False
    aliases: tuple[str, ...] = ()
    title: str | None = None
    ack: str = "batch"
    every: float | None = None
    cron: str | None = None
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.memory_limit is not None:
            require_process(self.isolation)
        if self.every is not None and self.cron is not None:
            msg = f"every={self.every!r} and cron={self.cron!r}: a schedule has one of them"
            raise UsageError(msg)
        if self.timezone is not None and self.cron is None:
            msg = f"timezone={self.timezone!r}: only cron= looks at it"
            raise UsageError(msg)

    @classmethod
    def checked(cls, keywords: TaskKeywords) -> TaskOptions:
        """
        Keep what the keywords say.

        Raises:
            BadArguments: a value does not fit its option.
            UsageError: two options do not fit each other.
            TypeError: there is no such option.
        """
        return cls(**_checked(keywords, _TASK_CHECKS, "task"))


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The checked options of a call."""

    queue: str | None = None
    priority: int | None = None
    due: datetime | timedelta | None = None
    after: tuple[tuple[int, int], ...] = ()
    unique: Unique | None = None
    unique_for: str | float | None = None
    requester: str | None = None
    title: str | None = None
    token: str | None = None
    tags: tuple[str, ...] = ()
    expires: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    heartbeat_timeout: float | None = None
    isolation: str | None = None
    memory_limit: int | None = None
    connection: Any = None

    def merged(self, keywords: CallKeywords, yard: Any = None) -> CallOptions:
        """
        These options, and over them what the keywords say for a job of *yard* (None: of no store).

        Raises:
            BadArguments: a value does not fit its option, or a job to wait for is in another store.
            TypeError: there is no such option.
        """
        checked = _checked(keywords, _CALL_CHECKS, "using")
        if yard is not None:
            check_home(keywords.get("after"), yard)
        return msgspec.structs.replace(self, **checked)

    def of_the_job(self) -> list[str]:
        """The options said here that no single op of a job can have."""
        return [name for name in _CALL_CHECKS if name != "priority" and getattr(self, name) not in (None, ())]

    def blank_job(self, queue: str, title: str | None) -> NewJob:
        """A job with these options and without ops. *queue* and *title* hold where the call says none."""
        return NewJob(
            ops=[],
            queue=self.queue or queue,
            due=to_micros(self.due) if isinstance(self.due, datetime) else None,
            delay=self.due // _MICROSECOND if isinstance(self.due, timedelta) else None,
            after=list(self.after),
            unique_for=self.unique_for or "finish",
            token=self.token,
            requester=self.requester,
            expires=self.expires,
            options=self._job_options(title),
        )

    def _job_options(self, title: str | None) -> JobOptions | None:
        options = JobOptions(
            title=self.title or title,
            tags=self.tags,
            retry=self.retry,
            timeout=self.timeout,
            heartbeat_timeout=self.heartbeat_timeout,
            isolation=self.isolation,
            memory_limit=self.memory_limit,
        )
        return None if options == _NOTHING_SAID else options


_NOTHING_SAID = JobOptions()


def require_process(isolation: str | None) -> None:
    """Raise `UsageError` unless the code runs in a process of its own, the only thing whose memory can be limited."""
    if isolation != "process":
        msg = "memory_limit= needs isolation='process': a thread shares its memory with all others"
        raise UsageError(msg)


Check = Callable[[Any, str], Any]

_BOTH: dict[str, Check] = {
    "queue": checks.name,
    "priority": checks.priority,
    "retry": checks.retry,
    "timeout": checks.positive_duration,
    "heartbeat_timeout": checks.positive_duration,
    "isolation": checks.isolation,
    "memory_limit": checks.memory,
    "unique": checks.unique,
    "title": checks.title,
}
_TASK_CHECKS: dict[str, Check] = {
    **_BOTH,
    "name": checks.name,
    "resources": checks.resources,
    "user_errors": checks.exceptions,
    "log_prints": checks.flag,
    "aliases": checks.names,
    "ack": checks.ack,
    "every": checks.positive_duration,
    "cron": checks.cron,
    "timezone": checks.timezone,
}
_CALL_CHECKS: dict[str, Check] = {
    **_BOTH,
    "due": checks.due,
    "after": checks.after,
    "unique_for": checks.unique_for,
    "requester": checks.key,
    "token": checks.key,
    "tags": checks.names,
    "expires": checks.expires,
    "connection": lambda value, _: value,
}


def _checked(keywords: Mapping[str, Any], known: Mapping[str, Check], verb: str) -> dict[str, Any]:
    for name in keywords:
        if name not in known:
            msg = f"{verb}() has no option {name!r}; it has {', '.join(sorted(known))}"
            raise TypeError(msg)
    return {name: known[name](value, name) for name, value in keywords.items() if value is not None}
