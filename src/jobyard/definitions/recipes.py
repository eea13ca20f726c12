"""From what somebody wrote of a definition to the recipe that is stored, all of it checked by the tasks known here."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from operator import attrgetter
from typing import Any

from jobyard.definitions.entry import Entry, Fault, by_line
from jobyard.errors import BadArguments, DependencyCycle, UnknownDefinition, UsageError
from jobyard.model.codec import Codec
from jobyard.model.definition import DefinitionState, Recipe, TaskSays
from jobyard.model.graph import cycles
from jobyard.model.references import Ref, Reference, Retval
from jobyard.model.retry import Retry
from jobyard.model.shapes import ANY, Mismatch
from jobyard.model.signature import Signature, Slot
from jobyard.task import Registry, Task, checks

__all__ = ["KEYS", "Draft", "Kitchen", "fitted", "retry_policy"]

AnyTask = Task[..., Any]


def _dependencies(value: Any, option: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checks.names(value, option)))


def retry_policy(value: Any, option: str) -> Retry:
    """Also a mapping, as YAML has it."""
    if not isinstance(value, Mapping):
        return checks.retry(value, option)
    try:
        return Retry(**value)
    except (TypeError, ValueError) as error:
        msg = f"{option}={dict(value)!r}: {error}"
        raise BadArguments(msg) from None


def _overlap(value: Any, option: str) -> str:
    if value not in ("skip", "allow"):
        msg = f"{option}={value!r}: give 'allow', or 'skip' for no run while one goes on"
        raise BadArguments(msg)
    return str(value)


def _count(value: Any, option: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"{option}={value!r}: give a whole number from 0"
        raise BadArguments(msg)
    return value


def _state(value: Any, option: str) -> str:
    if value not in (DefinitionState.DRAFT, DefinitionState.ACTIVE):
        msg = f"{option}={value!r}: a definition begins as 'active' or as 'draft'"
        raise BadArguments(msg)
    return str(value)


_OPTIONS: dict[str, Callable[[Any, str], Any]] = {
    "title": checks.title,
    "notes": checks.title,
    "dependencies": _dependencies,
    "queue": checks.name,
    "priority": checks.priority,
    "retry": retry_policy,
    "timeout": checks.positive_duration,
    "protected": checks.flag,
    "every": checks.positive_duration,
    "cron": checks.cron,
    "timezone": checks.timezone,
    "overlap": _overlap,
    "jitter": checks.duration,
    "failure_limit": _count,
    "keep": checks.duration,
}
_OWN = ("task", "function", "args", "kwargs", "cleanup", "state")
_PATHS = ("function", "cleanup")
"""What they name may be imported, if a user says so."""
KEYS = ("name", *_OWN, *_OPTIONS)
"""What a definition may say."""
_NESTED = (Mapping, list, tuple, set, frozenset)
_DEEPEST = 200
"""Levels of values within values."""
_ANY = Retval(name="")
"""An argument that fits every parameter, as any reference does."""


@dataclass(slots=True)
class Draft:
    """A definition on its way to the store."""

    entry: Entry
    recipe: Recipe | None = None
    """None while something is wrong with it."""
    state: str | None = None
    """The one it says, if any."""
    task: AnyTask | None = None
    args: list[Any] | None = field(default_factory=list)
    """None if what was given is no list; `kwargs` likewise."""
    kwargs: dict[str, Any] | None = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.entry.name


class Kitchen:
    """
    Makes recipes.

    Args:
        register: makes a task of a function that a definition names by ``function:``.
        failure_limit: the setting.
    """

    def __init__(self, tasks: Registry, register: Callable[[Any], AnyTask], codec: Codec, failure_limit: int) -> None:
        self._tasks = tasks
        self._register = register
        self._codec = codec
        self._failure_limit = failure_limit

    def prepare(
        self, entries: Iterable[Entry], others: Callable[[], Mapping[str, Sequence[str]]]
    ) -> tuple[list[Draft], list[Fault]]:
        """
        Check definitions that are to be stored together.

        Args:
            others: gives the definitions that are stored already, with their dependencies; asked where it matters.

        Returns:
            The drafts, complete if there are no faults; and those, what concerns the graph before the arguments.
        """
        faults: list[Fault] = []
        drafts = [self._outline(entry, faults) for entry in entries]
        names = {draft.name for draft in drafts}
        within = all(names.issuperset(draft.options.get("dependencies", ())) for draft in drafts)
        _check_graph(drafts, {} if within else others(), faults)
        faults.sort(key=by_line)
        of_arguments: list[Fault] = []
        for draft in drafts:
            self._fill(draft, of_arguments)
        return drafts, [*faults, *sorted(of_arguments, key=by_line)]

    def _outline(self, entry: Entry, faults: list[Fault]) -> Draft:
        """All of a definition but its arguments."""
        draft = Draft(entry)
        for key, value in entry.values.items():
            if key not in KEYS:
                faults.append(entry.fault(key, f"unknown key {key!r}"))
            elif value is not None:
                with _noting(faults, entry, key):
                    self._take(draft, key, value)
        if entry.values.get("task") is None and entry.values.get("function") is None:
            faults.append(entry.fault("task", "says neither task nor function"))
        _check_schedule(draft, faults)
        return draft

    def _take(self, draft: Draft, key: str, value: Any) -> None:
        if key in draft.entry.stored and key in _PATHS:
            draft.options[key] = value
        elif key in _OPTIONS:
            draft.options[key] = _OPTIONS[key](value, key)
        elif key in ("task", "function"):
            if draft.task is not None:
                msg = "task and function: give one of them"
                raise BadArguments(msg)
            draft.task = self._task(value, imports=key == "function")
            if key == "function":
                draft.options[key] = value
        elif key == "cleanup":
            draft.options[key] = self._task(value, imports=True).name
        elif key == "state":
            draft.state = _state(value, key)
        elif key == "args":
            draft.args = None
            draft.args = _listed(_finite(value, key))
        elif key == "kwargs":
            draft.kwargs = None
            draft.kwargs = _named(_finite(value, key))

    def _task(self, given: Any, *, imports: bool) -> AnyTask:
        """A task by its name; a function, by ``module:function``, becomes one."""
        if isinstance(given, Task):
            return given
        if not isinstance(given, str):
            msg = f"{given!r} is not the name of a task"
            raise BadArguments(msg)
        if not imports or given in self._tasks:
            return self._tasks.get(given)
        found = _import(given)
        return found if isinstance(found, Task) else self._register(found)

    def _fill(self, draft: Draft, faults: list[Fault]) -> None:
        """Encode the arguments, and with them the recipe is whole."""
        task, args, kwargs = draft.task, draft.args, draft.kwargs
        if task is None or args is None or kwargs is None:
            return
        try:
            text, refs = self._encode(task.signature, args, kwargs)
        except UsageError as first:
            wrong = [*self._misfits(task.signature, args, kwargs)] or [("args" if args else "kwargs", first)]
            for key, error in wrong:
                with _noting(faults, draft.entry, key):
                    raise error from None
            return
        says = _says(task, self._failure_limit)
        draft.recipe = Recipe(task=task.name, args=text, refs=refs, says=says, **draft.options)

    def _encode(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str, tuple[Ref, ...]]:
        text, refs = self._codec.encode_arguments(signature, *fitted(signature, args, kwargs))
        if any(ref.name is None for ref in refs):
            msg = "the arguments of a definition may stand for the results of definitions only: retval('name')"
            raise BadArguments(msg)
        return text, tuple(refs)

    def _misfits(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Iterator[tuple[str, UsageError]]:
        """All that is wrong with the arguments, each with its key; with their values only if there are as many."""
        by_position = signature.misfits_by_position(len(args))
        by_name = signature.misfits_by_name(len(args), tuple(kwargs))
        yield from (("args", signature.bad(text)) for text in by_position)
        yield from (("kwargs" if kwargs else "args", signature.bad(text)) for text in by_name)
        if by_position or by_name:
            return
        for key, place in [*(("args", index) for index in range(len(args))), *(("kwargs", name) for name in kwargs)]:
            others: list[Any] = [_ANY if key == "kwargs" or index != place else v for index, v in enumerate(args)]
            named = {name: _ANY if key == "args" or name != place else v for name, v in kwargs.items()}
            try:
                self._encode(signature, others, named)
            except UsageError as error:
                yield key, error


class _noting:
    """Turn what is refused in the block into a fault."""

    def __init__(self, faults: list[Fault], entry: Entry, key: str) -> None:
        self._faults = faults
        self._entry = entry
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, UsageError):
            return False
        text = str(error).removeprefix(f"{self._entry.name}: ")  # a task says its name, which may be the same
        self._faults.append(self._entry.fault(self._key, text, type(error)))
        return True


def _check_schedule(draft: Draft, faults: list[Fault]) -> None:
    options = draft.options
    if "every" in options and "cron" in options:
        faults.append(draft.entry.fault("every", "every and cron: a schedule has one of them"))
    task_cron = draft.task.options.cron if draft.task is not None else None
    if "timezone" in options and draft.entry.values.get("cron") is None and task_cron is None:
        faults.append(draft.entry.fault("timezone", "timezone: only cron looks at it"))


def _check_graph(drafts: Sequence[Draft], others: Mapping[str, Sequence[str]], faults: list[Fault]) -> None:
    by_name: dict[str, Draft] = {}
    for draft in drafts:
        by_name.setdefault(draft.name, draft)  # of two with one name the first counts
    edges = {**others, **{name: draft.options.get("dependencies", ()) for name, draft in by_name.items()}}
    for draft in drafts:
        for dependency in draft.options.get("dependencies", ()):
            if dependency not in edges:
                text = f"depends on {dependency!r}, which is no definition"
                faults.append(draft.entry.fault("dependencies", text, UnknownDefinition))
        for key, given in (("args", draft.args), ("kwargs", draft.kwargs)):
            for name in _retvals(given):
                if name not in draft.options.get("dependencies", ()):
                    text = f"!retval {name}, but {name!r} is not among its dependencies"
                    faults.append(draft.entry.fault(key, text))
    for cycle in cycles(edges):
        if first := next((by_name[name] for name in cycle if name in by_name), None):
            text = f"definitions depend on each other in a circle: {' -> '.join(cycle)}"
            faults.append(Fault(first.entry.at("dependencies"), text, DependencyCycle))


def _retvals(given: Any) -> list[str]:
    """The names that stand in arguments, each once."""
    names: dict[str, None] = {}
    _find(given, names)
    return list(names)


def _find(value: Any, names: dict[str, None]) -> None:
    if isinstance(value, Retval) and value.name is not None:
        names[value.name] = None
    elif isinstance(value, Mapping):
        for each in value.values():
            _find(each, names)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            _find(each, names)


def _finite(given: Any, option: str) -> Any:
    """The same, if those who walk through it come to its end before Python's stack does."""
    level = [given]
    for _ in range(_DEEPEST):
        below = (each.values() if isinstance(each, Mapping) else each for each in level if isinstance(each, _NESTED))
        level = list({id(each): each for values in below for each in values}.values())
        if not level:
            return given
    msg = f"{option}: they are nested too deep, or hold themselves"
    raise BadArguments(msg)


def _holds_reference(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_reference, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_holds_reference, value))
    return isinstance(value, Reference)


def _listed(args: Any) -> list[Any]:
    if not isinstance(args, Sequence) or isinstance(args, (str, bytes, bytearray)):
        msg = f"args={args!r}: give a list"
        raise BadArguments(msg)
    return list(args)


def _named(kwargs: Any) -> dict[str, Any]:
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        msg = f"kwargs={kwargs!r}: give a mapping of names to values"
        raise BadArguments(msg)
    return dict(kwargs)


def fitted(
    signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The values as the parameters are annotated: YAML has a list for a tuple, and a text for a path."""
    binding = signature.bind(len(args), tuple(kwargs))
    fitted = tuple(_as_annotated(slot, value) for slot, value in zip(binding.positional, args, strict=True))
    named = zip(binding.named, kwargs.items(), strict=True)
    return fitted, {name: _as_annotated(slot, value) for slot, (name, value) in named}


def _as_annotated(slot: Slot, value: Any) -> Any:
    if slot.shape is ANY or _holds_reference(value):
        return value
    try:
        slot.shape.dump(value)
    except Mismatch:
        try:
            return slot.shape.load(_plain(value))
        except (Mismatch, RecursionError):
            return value  # the codec says what is wrong with it
    return value


def _plain(value: Any) -> Any:
    """As JSON would have it: YAML makes dates of what looks like one."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _says(task: AnyTask, failure_limit: int) -> TaskSays:
    options = task.options
    return TaskSays(
        queue=options.queue,
        priority=options.priority,
        title=options.title,
        every=options.every,
        cron=options.cron,
        timezone=options.timezone,
        failure_limit=failure_limit,
    )


def _import(path: str) -> Any:
    """What ``module:function`` names. Raises `BadArguments`, whatever the module does when it is imported."""
    module, _, qualname = path.partition(":")
    if not module or not qualname:
        msg = f"{path!r} is no path of a function: write module:function"
        raise BadArguments(msg)
    try:
        return attrgetter(qualname)(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        msg = f"{path!r} cannot be imported: {type(error).__name__}: {error}"
        raise BadArguments(msg) from None
