"""
A task: a callable that can be called as before, and enqueued.

Making a `NewJob` is what a caller does most, so all that the jobs of one task have in common is made once, as a blank
job, and copied.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from copy import copy
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast

from jobyard.errors import UsageError
from jobyard.model.codec import Codec, canonical
from jobyard.model.job import Job
from jobyard.model.modules import module_name
from jobyard.model.newjob import NewJob, NewOp
from jobyard.model.op import Op
from jobyard.model.references import Ref
from jobyard.model.signature import Signature
from jobyard.task import checks
from jobyard.task.dependencies import check_home, check_order, merged
from jobyard.task.options import CallKeywords, CallOptions, TaskOptions, Unique, require_process

__all__ = ["CallableTask", "Home", "Runnable", "Task"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C")


class Home(Protocol):
    """What a task needs of the yard it belongs to."""

    @property
    def codec(self) -> Codec: ...

    @property
    def max_payload(self) -> int: ...

    def enqueue_new(self, new: NewJob, connection: Any) -> Job[Any]: ...

    async def aenqueue_new(self, new: NewJob, connection: Any) -> Job[Any]: ...


class Runnable(Protocol[R_co]):
    """The instance of a class that is a task."""

    def run(self) -> R_co: ...


class Task(Generic[P, R]):
    """
    A registered callable with its options, and what one call of it says (`using`).

    `R` is the type of the result: of an ``async def`` what is awaited, of a class what its ``run`` returns.
    """

    name: str
    decorated: Callable[..., Any]
    """A function, an ``async def``, or a class with ``run``."""
    function: Callable[..., Any]
    """What does the work when it is called with the arguments; for an async task it gives the coroutine that will."""
    module: str
    """Where it can be imported from; in a script the name of the script, never ``__main__``."""
    qualname: str
    signature: Signature
    is_class: bool
    is_async: bool
    options: TaskOptions
    call: CallOptions

    def __init__(self, decorated: Callable[..., Any], options: TaskOptions, yard: Home) -> None:
        _check(decorated)
        # Without __dict__: the fields of a class would overwrite what is set here.
        functools.update_wrapper(cast("Any", self), decorated, updated=())
        self.decorated = decorated
        self.module = module_name(decorated.__module__)
        self.qualname = decorated.__qualname__
        self.name = options.name or f"{self.module}:{self.qualname}"
        self.is_class = isinstance(decorated, type)
        self.is_async = inspect.iscoroutinefunction(_code(decorated))
        self.function = _make_and_run(decorated) if self.is_class else decorated
        self.signature = Signature.of(decorated, self.name)
        _check_schedule(self.signature, options)
        self.options = options
        self.call = CallOptions()
        self._yard = yard
        self._blank: NewJob | None = None

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    @property
    def yard(self) -> Any:
        """The yard it belongs to."""
        return self._yard

    @property
    def queue(self) -> str:
        return self.call.queue or self.options.queue

    @property
    def priority(self) -> int | None:
        """None: neither the call nor the task says one."""
        return self.options.priority if self.call.priority is None else self.call.priority

    @property
    def unique(self) -> Unique | None:
        return self.options.unique if self.call.unique is None else self.call.unique

    @property
    def title(self) -> str | None:
        return self.call.title or self.options.title

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.options.aliases

    @property
    def isolation(self) -> str | None:
        return self.call.isolation or self.options.isolation

    @property
    def ack(self) -> str:
        return self.options.ack

    @property
    def log_prints(self) -> bool:
        return self.options.log_prints

    def using(self, **options: Unpack[CallKeywords]) -> Self:
        """
        The same task with other options for its jobs; those said before hold unless they are said again.

        Raises:
            BadArguments: a value does not fit its option.
        """
        other = copy(self)
        other.call = self.call.merged(options, self._yard)
        if other.call.memory_limit is not None:
            require_process(other.isolation)
        other._blank = None
        return other

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """
        Store a job that calls the task with these arguments; any worker of its queue will run it.

        A job among the arguments stands for its result and is waited for.

        Raises:
            BadArguments: an argument does not fit the task; the text names the parameter.
            QueueClosed: the queue is drained.
        """
        return self._yard.enqueue_new(self._new(args, kwargs), self.call.connection)

    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """`enqueue` for coroutines: the event loop goes on meanwhile."""
        return await self._yard.aenqueue_new(self._new(args, kwargs), self.call.connection)

    def new(self, /, *args: P.args, **kwargs: P.kwargs) -> NewJob:
        """The job that `enqueue` would store, for `Yard.enqueue_many`; nothing is stored."""
        if self.call.connection is not None:
            msg = "connection= belongs to the call that stores: give it to enqueue_many(..., connection=)"
            raise UsageError(msg)
        return self._new(args, kwargs)

    def op(self, /, *args: P.args, **kwargs: P.kwargs) -> Op:
        """
        One call of the task, as an op of a job that may have several; see `Yard.enqueue`.

        Raises:
            UsageError: `using` set an option that only a whole job can have.
        """
        if alien := self.call.of_the_job():
            msg = f"{alien[0]}= belongs to the job, not to one of its ops: give it to yard.enqueue(..., {alien[0]}=)"
            raise UsageError(msg)
        text, refs = self._encode(args, kwargs)
        new = NewOp(self.name, text, refs, self.call.priority)
        return Op(self.name, args, kwargs, priority=self.priority or 0, new=new)

    def unique_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """
        What `unique` makes of a call: None if it may stand beside others.

        A callable that gives None means so for this call.
        """
        unique = self.unique
        if unique is True:
            import hashlib  # with it comes OpenSSL, which is slow to load

            digest = hashlib.sha256(canonical(self.signature, args, kwargs).encode()).hexdigest()
            return f"{self.name}:{digest}"
        if callable(unique):
            made = unique(*args, **kwargs)
            return None if made is None else checks.key(str(made), "unique")
        return unique or None

    def _new(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewJob:
        text, refs = self._encode(args, kwargs)
        job = copy(self._blank or self._make_blank())
        job.ops = [NewOp(self.name, text, refs)]
        if refs:
            check_order(job.ops[0], 0)
        job.after = merged(job.after, refs) if refs or job.after else []
        if self.unique:
            job.unique = self.unique_key(args, kwargs)
        return job

    def _make_blank(self) -> NewJob:
        blank = self.call.blank_job(self.options.queue, self.options.title)
        blank.priority = self.priority
        self._blank = blank  # only now that it is whole: other threads may use the task too
        return blank

    def _encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, list[Ref]]:
        yard = self._yard
        text, refs = yard.codec.encode_arguments(self.signature, args, kwargs, yard.max_payload)
        if refs:
            check_home((args, kwargs), yard)
        return text, refs


class CallableTask(Task[P, R], Generic[P, R, C]):
    """A task as its decorator leaves it: called, it does what the undecorated function does, here and now."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> C:
        return self.decorated(*args, **kwargs)  # type: ignore[no-any-return]


def _check_schedule(signature: Signature, options: TaskOptions) -> None:
    option = "every" if options.every is not None else "cron" if options.cron is not None else None
    if option and signature.required:
        msg = (
            f"task {signature.name!r} has {option}=, so it is run without arguments, but its parameter "
            f"{signature.required[0]!r} has no default; give it one, or make definitions of the task with arguments"
        )
        raise UsageError(msg)


def _check(decorated: Any) -> None:
    if isinstance(decorated, Task):
        msg = f"{decorated!r} is a task already; decorate the function once"
        raise UsageError(msg)
    if isinstance(decorated, type) and not callable(getattr(decorated, "run", None)):
        msg = f"the class {decorated.__qualname__} has no method run(self), so it cannot be a task"
        raise UsageError(msg)
    if not isinstance(decorated, type) and not inspect.isroutine(decorated):
        msg = f"{decorated!r} cannot be a task: decorate a function, an async def, or a dataclass with run(self)"
        raise UsageError(msg)
    if inspect.isgeneratorfunction(_code(decorated)) or inspect.isasyncgenfunction(_code(decorated)):
        msg = f"{decorated.__qualname__} is a generator: a task returns its result, all at once"
        raise UsageError(msg)


def _code(decorated: Callable[..., Any]) -> Any:
    """The function whose body does the work."""
    return decorated.run if isinstance(decorated, type) else decorated  # type: ignore[attr-defined]


def _make_and_run(decorated: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        return decorated(*args, **kwargs).run()

    return run
