"""``@yard.task`` and ``@yard.task(queue="images", ...)``, as the type checker and the interpreter see them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, Unpack, overload

from jobyard.task.options import TaskKeywords, TaskOptions
from jobyard.task.registry import Registry
from jobyard.task.task import CallableTask, Home, Runnable

__all__ = ["Decorator"]

P = ParamSpec("P")
R = TypeVar("R")


class Decorated(Protocol):
    """What makes a task of a function, an ``async def``, or a class; the first that fits says what its result is."""

    @overload
    def __call__(
        self, function: Callable[P, Runnable[Coroutine[Any, Any, R]]], /
    ) -> CallableTask[P, R, Runnable[Coroutine[Any, Any, R]]]: ...
    @overload
    def __call__(self, function: Callable[P, Runnable[R]], /) -> CallableTask[P, R, Runnable[R]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> CallableTask[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CallableTask[P, R, R]: ...


class Decorator:
    """
    Make a task of a function, an ``async def``, or a dataclass with ``run(self)``.

    Use it bare, or with options. The decorated thing can be called as before. Its default name is
    ``module:qualname``; a renamed task lists its old names in `aliases`.

    Args:
        name: what its jobs are stored under.
        queue: where its jobs go.
        priority: from -20 (most urgent) to 19; by default the queue's, else 0.
        retry: attempts in all, True for 10, or a `Retry`; by default the queue's, else 1.
        timeout: how long an attempt may take; by default the queue's, else for ever.
        heartbeat_timeout: how long an attempt may give no sign of life.
        isolation: ``"process"`` runs each attempt alone in a child process.
        unique: True (task and arguments), a text, or a callable of the arguments: at most one unfinished job per key.
        resources: names of resources that a run holds, or a mapping of names to amounts.
        memory_limit: bytes, or a text like ``"512M"``; needs ``isolation="process"``.
        user_errors: exceptions that say something about the arguments and not about the code.
        log_prints: store what is printed as log lines.
        aliases: other names under which its jobs may be stored.
        title: what people see in place of the name.
        ack: ``"sync"`` writes each outcome before the slot is free again, ``"batch"`` a few together.
        every: how often a definition of it runs.
        cron: when a definition of it runs, as a cron expression.
        timezone: the time zone of `cron`.

    Raises:
        BadArguments: a value does not fit its option.
        UsageError: this cannot be a task, two options do not fit each other, or a name is another function's.
    """

    def __init__(self, tasks: Registry, yard: Home) -> None:
        self._tasks = tasks
        self._yard = yard

    @overload
    def __call__(
        self, function: Callable[P, Runnable[Coroutine[Any, Any, R]]], /
    ) -> CallableTask[P, R, Runnable[Coroutine[Any, Any, R]]]: ...
    @overload
    def __call__(self, function: Callable[P, Runnable[R]], /) -> CallableTask[P, R, Runnable[R]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> CallableTask[P, R, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CallableTask[P, R, R]: ...
    @overload
    def __call__(self, /, **options: Unpack[TaskKeywords]) -> Decorated: ...
    def __call__(self, function: Any = None, /, **options: Unpack[TaskKeywords]) -> Any:
        checked = TaskOptions.checked(options)
        return self._registered(function, checked) if function is not None else lambda f: self._registered(f, checked)

    def _registered(self, function: Any, options: TaskOptions) -> CallableTask[..., Any, Any]:
        task: CallableTask[..., Any, Any] = CallableTask(function, options, self._yard)
        self._tasks.add(task)
        return task
