"""What a task may be called with, and what it returns."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, Never, NoReturn

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.shapes import ANY, Shape, shape_of
from jobyard.model.shapes.hints import enclosing_names, hints_of

__all__ = ["Binding", "Signature", "Slot"]

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_MOST_BINDINGS = 128
"""Forms of calls that are remembered; a task with ``**kwargs`` may be called in endless ones."""


class Slot(msgspec.Struct, frozen=True):
    """A parameter as one argument of a call sees it."""

    name: str
    shape: Shape


class Binding(msgspec.Struct, frozen=True):
    """
    A form of call that fits: so many values by position, these by name.

    `positional_types` and `named_types` are the classes whose instances need no work; None in them stands for a
    parameter whose values always do.
    """

    positional: tuple[Slot, ...]
    named: tuple[Slot, ...]
    positional_types: tuple[type | None, ...]
    named_types: tuple[type | None, ...]


class Signature:
    """
    The parameters and the result of a task, made once when it is registered.

    Annotations are resolved at the first call, so they may speak of classes that come later. One that speaks of an
    unknown name even then counts as none.
    """

    def __init__(self, name: str, function: Callable[..., Any], names: Mapping[str, Any]) -> None:
        self.name = name
        self._function = function
        self._names = names
        self.parameters: Mapping[str, Parameter] = _parameters(function)
        self._bindings: dict[tuple[object, ...], Binding] = {}

    @classmethod
    def of(cls, function: Callable[..., Any], name: str | None = None) -> Signature:
        """
        The signature of a function, an ``async def``, or a class whose fields are the parameters of its `run`.

        Args:
            name: of the task, for messages; ``module:qualname`` by default.
        """
        known = inspect.unwrap(function)
        while isinstance(known, functools.partial):
            known = known.func
        named = known if hasattr(known, "__qualname__") else type(known)
        return cls(name or f"{named.__module__}:{named.__qualname__}", function, enclosing_names(named))

    def __repr__(self) -> str:
        return f"Signature({self.name!r})"

    @functools.cached_property
    def takes_nothing(self) -> bool:
        """Whether the task can be called without arguments."""
        return not self.required

    @functools.cached_property
    def result(self) -> Shape:
        """The shape of what the task returns."""
        annotation = self._result_hints.get("return", Any)
        return ANY if annotation in (Never, NoReturn) else shape_of(annotation)

    def bind(self, count: int, names: tuple[str, ...]) -> Binding:
        """
        The parameters that a call with *count* values by position and these names by keyword is for.

        Raises:
            BadArguments: naming each parameter that is missing, unknown, or given twice.
        """
        form = (count, names)
        binding = self._bindings.get(form)
        if binding is None:
            binding = self._bind(count, names)
            if len(self._bindings) < _MOST_BINDINGS:
                self._bindings[form] = binding
        return binding

    def misfits_by_position(self, count: int) -> list[str]:
        """What is wrong with a call of so many values by position."""
        slots = self._positional
        if count <= len(slots) or self._variable(Parameter.VAR_POSITIONAL):
            return []
        return [f"takes at most {len(slots)} arguments by position ({', '.join(s.name for s in slots)}), got {count}"]

    def misfits_by_name(self, count: int, names: tuple[str, ...]) -> list[str]:
        """What is wrong with these names in a call of so many values by position, and what is missing."""
        given = {slot.name for slot in self._positional[:count]}
        takes_any = self._variable(Parameter.VAR_KEYWORD) is not None
        known = ", ".join(self._by_name) or "none"
        found = []
        for name in names:
            if name not in self._by_name:
                if not takes_any:
                    found.append(f"there is no parameter {name!r} (known by name: {known})")
            elif name in given:
                found.append(f"parameter {name!r} is given twice, by position and by name")
        given |= self._by_name.keys() & set(names)
        return found + [f"parameter {name!r} is missing" for name in self.required if name not in given]

    def bad(self, text: str) -> BadArguments:
        return BadArguments(f"{self.name}: {text}")

    @functools.cached_property
    def _hints(self) -> dict[str, Any]:
        if isinstance(self._function, type):
            return hints_of(self._function, self._names)
        return self._function_hints(self._function)

    @property
    def _result_hints(self) -> dict[str, Any]:
        if not isinstance(self._function, type):
            return self._hints
        run = getattr(self._function, "run", None)
        return self._function_hints(run) if run else {}

    def _function_hints(self, function: Any) -> dict[str, Any]:
        function = inspect.unwrap(function)
        while isinstance(function, functools.partial):
            function = inspect.unwrap(function.func)
        if not hasattr(function, "__annotations__"):
            function = type(function).__call__
        return hints_of(function, self._names)

    @functools.cached_property
    def _slots(self) -> dict[str, Slot]:
        hints = self._hints
        return {name: Slot(name, shape_of(hints[name]) if name in hints else ANY) for name in self.parameters}

    @functools.cached_property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        return tuple(
            name
            for name, p in self.parameters.items()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        )

    @functools.cached_property
    def _positional(self) -> tuple[Slot, ...]:
        return tuple(self._slots[name] for name, p in self.parameters.items() if p.kind in _BY_POSITION)

    @functools.cached_property
    def _by_name(self) -> dict[str, Slot]:
        return {name: self._slots[name] for name, p in self.parameters.items() if p.kind in _BY_NAME}

    def _bind(self, count: int, names: tuple[str, ...]) -> Binding:
        if misfits := self.misfits_by_position(count) + self.misfits_by_name(count, names):
            raise self.bad("; ".join(misfits))
        rest, others = self._variable(Parameter.VAR_POSITIONAL), self._variable(Parameter.VAR_KEYWORD)
        positional = self._positional[:count]
        if rest is not None:
            positional += (rest,) * (count - len(positional))
        named = tuple([self._by_name.get(name) or Slot(name, others.shape if others else ANY) for name in names])
        return Binding(positional, named, _types(positional), _types(named))

    def _variable(self, kind: Any) -> Slot | None:
        return next((self._slots[name] for name, p in self.parameters.items() if p.kind is kind), None)


def _types(slots: tuple[Slot, ...]) -> tuple[type | None, ...]:
    return tuple([slot.shape.plain for slot in slots])


def _parameters(function: Callable[..., Any]) -> Mapping[str, Parameter]:
    if sys.version_info >= (3, 14):
        import annotationlib

        # An annotation may speak of a class that comes later; here only names and defaults count.
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF).parameters
    return inspect.signature(function).parameters
