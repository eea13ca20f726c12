"""
What a shape is: how the values of one annotation are stored as JSON, and how they come back.

Rule 1: `dump` accepts what the annotation says and nothing else, so a bad argument fails where it is given.
Rule 2: `load` gives back what `dump` was given: equal, and of the same type.
Rule 3: a `Reference` may stand anywhere. `dump` leaves it where it stands; `jsontree.settle` takes it out.
"""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from jobyard.model.references import Reference

__all__ = ["Given", "Mismatch", "Name", "Shape", "dump_each", "load_each", "short", "under"]

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60
_short.maxlong = 40


def short(value: object) -> str:
    """A value as it is shown in a message: cut, and with its type where the text does not tell."""
    try:
        text = _short.repr(value)
    except Exception:
        return f"a {type(value).__name__}"
    if isinstance(value, (str, bytes, bool, type(None), list, dict, tuple)):
        return text
    return f"{text} ({type(value).__name__})"


class Mismatch(Exception):
    """A value that does not fit; `path` grows outwards while it travels to the parameter."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path: list[object] = []

    def under(self, step: object) -> Mismatch:
        self.path.insert(0, step)
        return self

    @property
    def place(self) -> str:
        """Where in the value it is, as Python would write it."""
        return "".join(f".{step}" if isinstance(step, Name) else f"[{_short.repr(step)}]" for step in self.path)

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.path else self.text


class Name(str):
    """A step of a path that is a field, shown as ``.name``."""

    __slots__ = ()


class Given:
    """A Python value put in the place of a reference: it is checked as it is, and converted if it only looks alike."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Shape(ABC):
    """
    The values of one annotation.

    Attributes:
        name: as the annotation is written.
        types: the classes whose direct instances it takes; a union chooses by them.
        kinds: the classes of what `dump` gives; a union whose members share none can tell them apart again.
        plain: the class whose instances are JSON as they are, so that they need neither `dump` nor `load`.
    """

    name: str
    types: tuple[type[Any], ...] = ()
    kinds: frozenset[type] = frozenset()
    plain: type | None = None

    @abstractmethod
    def dump(self, value: Any) -> Any:
        """The value as JSON, with references left in. Raises `Mismatch`."""

    @abstractmethod
    def load(self, data: Any) -> Any:
        """The value that was stored. Raises `Mismatch`."""

    def refuse(self, value: Any) -> Any:
        """What `dump` does with a value it does not know: a reference stays, all else is a `Mismatch`."""
        if isinstance(value, Reference):
            return value
        raise self.mismatch(value)

    def resort(self, data: Any) -> Any:
        """What `load` does with data it does not know: a value put in for a reference is taken, if it fits."""
        if not isinstance(data, Given):
            raise self.mismatch(data)
        if isinstance(data.value, Reference):  # for people, who are shown what stands there
            return data.value
        try:
            return self.load(self.dump(data.value))
        except Mismatch:
            return self.load(data.value)

    def mismatch(self, value: object) -> Mismatch:
        return Mismatch(f"expected {self.name}, got {short(value)}")


def under(convert: Callable[[Any], Any], value: Any, step: object) -> Any:
    """The value converted; a mismatch names the step that leads to it."""
    try:
        return convert(value)
    except Mismatch as mismatch:
        raise mismatch.under(step) from None


def dump_each(shape: Shape, values: Any) -> list[Any]:
    """Each value dumped; a mismatch names its index."""
    dump = shape.dump
    try:
        return [dump(value) for value in values]
    except Mismatch:
        return _each(dump, values)


def load_each(shape: Shape, items: Any) -> list[Any]:
    """Each item loaded; a mismatch names its index."""
    load = shape.load
    try:
        return [load(item) for item in items]
    except Mismatch:
        return _each(load, items)


def _each(convert: Callable[[Any], Any], items: Any) -> list[Any]:
    """The same again after a failure, now with the index at hand."""
    return [under(convert, item, index) for index, item in enumerate(items)]
