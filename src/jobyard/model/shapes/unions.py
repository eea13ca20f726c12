"""Shapes that are made of other ones: unions, classes without a shape of their own, constrained values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from jobyard.model.references import Reference
from jobyard.model.shapes.shape import Given, Mismatch, Shape
from jobyard.model.shapes.tagged import ANY, UNION

__all__ = ["Constrained", "Opaque", "Union"]


class Union(Shape):
    """
    One of several shapes.

    A member that looks like another one in JSON (`datetime | str`) is stored with its name.
    """

    def __init__(self, members: list[Shape]) -> None:
        self.name = " | ".join(member.name for member in members)
        self.types = tuple({cls for member in members for cls in member.types})
        self._members = members
        self._plain = {m.plain for m in members if m.plain and _stands_alone(m, members)}
        self._labels = _labels(members)
        self._by_label = {label: member for member, label in self._labels.items()}
        self.kinds = frozenset({dict} if self._labels else ()).union(
            *(member.kinds for member in members if member not in self._labels)
        )

    def dump(self, value: Any) -> Any:
        if type(value) in self._plain or isinstance(value, Reference):
            return value
        member, dumped = self._first([m for m in self._members if type(value) in m.types], Shape.dump, value)
        label = self._labels.get(member)
        return dumped if label is None else {UNION: [label, dumped]}

    def load(self, data: Any) -> Any:
        if type(data) in self._plain:
            return data
        if isinstance(data, Given):
            return self.resort(data)
        if isinstance(data, dict) and len(data) == 1 and isinstance(named := data.get(UNION), list) and len(named) == 2:
            label, data = named
            likely = [self._by_label[label]] if label in self._by_label else []
        else:
            likely = [m for m in self._members if type(data) in m.kinds]
        return self._first(likely, Shape.load, data)[1]

    def _first(self, likely: list[Shape], action: Callable[..., Any], value: Any) -> tuple[Shape, Any]:
        """The first member that takes the value, the likely ones before the others, and what it makes of it."""
        refused: list[Mismatch] = []
        for member in likely + [m for m in self._members if m not in likely]:
            try:
                return member, getattr(member, action.__name__)(value)
            except Mismatch as mismatch:
                refused.append(mismatch)
        # Where one member was meant, its own words say best what is wrong inside.
        raise refused[0] if len(likely) == 1 else self.mismatch(value)


def _stands_alone(member: Shape, members: list[Shape]) -> bool:
    return not any(member.kinds & other.kinds for other in members if other is not member)


def _labels(members: list[Shape]) -> dict[Shape, str]:
    """The names of those members that need one, made unique."""
    labels: dict[Shape, str] = {}
    for member in members:
        if not _stands_alone(member, members):
            taken = member.name in labels.values()
            labels[member] = f"{member.name} #{len(labels)}" if taken else member.name
    return labels


class Opaque(Shape):
    """
    A class that says nothing about how to store it (`Hashable`, `numbers.Number`, a class of the user's).

    Its instances are stored as tagged JSON if they can be, and are refused otherwise.
    """

    def __init__(self, cls: type) -> None:
        self.name = cls.__name__
        self.cls = cls
        self.types = (cls,)
        self.kinds = ANY.kinds

    def dump(self, value: Any) -> Any:
        if isinstance(value, Reference) or not self._is_one(value):
            return self.refuse(value)
        try:
            return ANY.dump(value)
        except Mismatch as mismatch:
            if mismatch.path or type(value) is float:
                raise
            msg = f"a {type(value).__qualname__} cannot be stored: give its data, in a dataclass for example"
            raise Mismatch(msg) from None

    def load(self, data: Any) -> Any:
        value = ANY.load(data)
        if not self._is_one(value):
            raise self.mismatch(value)
        return value

    def _is_one(self, value: object) -> bool:
        try:
            return isinstance(value, self.cls)
        except TypeError:
            return True  # a Protocol that cannot be asked


class Constrained(Shape):
    """A scalar with constraints: ``Annotated[int, msgspec.Meta(ge=0)]``."""

    def __init__(self, inner: Shape, annotation: Any) -> None:
        self.name = inner.name
        self.types = inner.types
        self.kinds = inner.kinds
        self._inner = inner
        self._annotation = annotation

    def dump(self, value: Any) -> Any:
        dumped = self._inner.dump(value)
        self._check(dumped)
        return dumped

    def load(self, data: Any) -> Any:
        if isinstance(data, Given):
            return self.resort(data)
        self._check(data)
        return self._inner.load(data)

    def _check(self, data: Any) -> None:
        if not isinstance(data, (str, int, float)):
            return
        try:
            msgspec.convert(data, self._annotation)
        except msgspec.ValidationError as error:
            raise Mismatch(str(error)) from None
