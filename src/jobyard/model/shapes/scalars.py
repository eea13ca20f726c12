"""Shapes of single values."""

from __future__ import annotations

import enum
import math
from datetime import date, datetime
from typing import Any

from jobyard.model.shapes.shape import Mismatch, Shape
from jobyard.model.shapes.texts import TEXTS

__all__ = ["BOOL", "COMPLEX", "FLOAT", "INT", "NONE", "STR", "Choice", "EnumShape", "Text"]


class Plain(Shape):
    """`str`, `bool` and None, which JSON has."""

    def __init__(self, cls: type, name: str) -> None:
        self.name = name
        self.plain = cls
        self.types = (cls,)
        self.kinds = frozenset({cls})

    def dump(self, value: Any) -> Any:
        return value if type(value) is self.plain else self.refuse(value)

    def load(self, data: Any) -> Any:
        return data if type(data) is self.plain else self.resort(data)


class Str(Plain):
    """`str`; what is a subclass comes back as a plain one."""

    def refuse(self, value: Any) -> Any:
        return str.__str__(value) if isinstance(value, str) else super().refuse(value)


class Int(Plain):
    """`int` of any size. A bool is an int, as in Python, and stays a bool."""

    def refuse(self, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        return int.__index__(value) if isinstance(value, int) else super().refuse(value)

    def resort(self, data: Any) -> Any:
        return data if isinstance(data, bool) else super().resort(data)


class Float(Shape):
    """`float`; an int may be given, as Python's typing has it, and comes back as a float where that is exact."""

    name = "float"
    types = (float,)
    kinds = frozenset({float})

    def dump(self, value: Any) -> Any:
        if isinstance(value, float):
            if math.isfinite(value):
                return float(value)
            msg = f"{float(value)!r} cannot be stored: JSON has no such number"
            raise Mismatch(msg)
        return int.__index__(value) if isinstance(value, int) else self.refuse(value)

    def load(self, data: Any) -> Any:
        if type(data) is float:
            return data
        if not isinstance(data, int):
            return self.resort(data)
        try:
            value = float(data)
        except OverflowError:
            return data
        return value if value == data else data


class Complex(Shape):
    """`complex`, as the text Python writes."""

    name = "complex"
    types = (complex,)
    kinds = frozenset({str})

    def dump(self, value: Any) -> Any:
        if not isinstance(value, (complex, float, int)):
            return self.refuse(value)
        value = complex(value)
        if math.isfinite(value.real) and math.isfinite(value.imag):
            return str(value)
        msg = f"{value!r} cannot be stored: JSON has no such number"
        raise Mismatch(msg)

    def load(self, data: Any) -> Any:
        if not isinstance(data, (str, complex, float, int)):
            return self.resort(data)
        try:
            return complex(data)
        except (ValueError, OverflowError):
            raise self.mismatch(data) from None


class Text(Shape):
    """One of the classes of `TEXTS`."""

    kinds = frozenset({str})

    def __init__(self, cls: type) -> None:
        self.name = cls.__name__
        self.cls = cls
        self.types = (cls,)
        self.to_text, self.from_text = TEXTS[cls]

    def _is_one(self, value: object) -> bool:
        # A datetime is a date to Python, but the date alone would lose the time.
        return isinstance(value, self.cls) and not (self.cls is date and isinstance(value, datetime))

    def dump(self, value: Any) -> Any:
        return self.to_text(value) if self._is_one(value) else self.refuse(value)

    def load(self, data: Any) -> Any:
        if type(data) is not str:
            return data if self._is_one(data) else self.resort(data)
        try:
            return self.from_text(data)
        except (ValueError, ArithmeticError, LookupError):
            raise self.mismatch(data) from None


class Choice(Shape):
    """One of some values, each with the JSON it is stored as: a `Literal`."""

    def __init__(self, name: str, choices: list[tuple[Any, Any]]) -> None:
        self.name = name
        self._stored = {(type(value), value): data for value, data in choices}
        self._values = {(type(data), data): value for value, data in choices}
        self.types = tuple({type(value) for value, _ in choices})
        self.kinds = frozenset(type(data) for _, data in choices)

    def dump(self, value: Any) -> Any:
        try:
            return self._stored[type(value), value]
        except (KeyError, TypeError):
            return self.refuse(value)

    def load(self, data: Any) -> Any:
        try:
            return self._values[type(data), data]
        except (KeyError, TypeError):
            return self.resort(data)


class EnumShape(Shape):
    """An enumeration, stored by value where all are texts or all are whole numbers, else by name."""

    def __init__(self, cls: type[enum.Enum]) -> None:
        self.name = cls.__name__
        self.cls = cls
        self.types = (cls,)
        values = [member.value for member in cls]
        self._by_value = all(isinstance(v, str) for v in values) or all(type(v) is int for v in values)
        self._members: dict[object, enum.Enum] = dict(cls.__members__.items())
        if self._by_value:
            self._members |= {member.value: member for member in cls}
        self.kinds = frozenset({int if self._by_value and values and type(values[0]) is int else str})

    def dump(self, value: Any) -> Any:
        if not isinstance(value, self.cls):
            return self.refuse(value)
        return value.value if self._by_value else value.name

    def load(self, data: Any) -> Any:
        if isinstance(data, self.cls):
            return data
        if type(data) in (str, int) and data in self._members:
            return self._members[data]
        if type(data) is int and issubclass(self.cls, enum.Flag):
            return self._flags(data)
        return self.resort(data)

    def _flags(self, data: int) -> Any:
        try:
            return self.cls(data)
        except ValueError:
            raise self.mismatch(data) from None


STR = Str(str, "str")
INT = Int(int, "int")
BOOL = Plain(bool, "bool")
NONE = Plain(type(None), "None")
FLOAT = Float()
COMPLEX = Complex()
