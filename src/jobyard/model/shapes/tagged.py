"""
Tagged JSON: how values are stored of which no annotation says what they are.

What JSON has is stored as it is. Any other type is an object with one key, its tag: ``{"$tuple": [1, 2]}``. A user's
dict that could be taken for a tag, or has keys that are no strings, is stored as pairs: ``{"$dict": [[k, v], ...]}``.

An enum member and a record are stored with the name of their class: ``{"$class": ["module:Name", data]}``. A class
that the data name is used only if it is one of these and somebody else has imported it: the data are not code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from jobyard.model.modules import imported, module_name
from jobyard.model.references import Reference
from jobyard.model.shapes.shape import Given, Mismatch, Shape, dump_each, load_each, short, under
from jobyard.model.shapes.texts import TEXTS

__all__ = ["ANY", "PAIRS", "UNION", "dump_pairs", "is_tag", "sort_key", "stored_pairs"]

PAIRS = "$dict"
CLASS = "$class"
UNION = "$or"
"""What a union dumps whose members look alike in JSON: the member's name and the value."""

_encode_sorted = msgspec.json.Encoder(order="sorted", enc_hook=repr).encode


def sort_key(data: Any) -> bytes:
    """Sets are stored sorted by this, so that equal ones have equal texts."""
    try:
        return _encode_sorted(data)
    except ValueError:  # a huge number, or a text that will be refused
        return hex(data).encode() if isinstance(data, int) else b""


def is_tag(data: dict[Any, Any]) -> bool:
    """Whether an object would be read as a tag, and so must be stored as pairs if it is the user's."""
    if len(data) != 1:
        return False
    (key,) = data
    return type(key) is str and key.startswith("$")


def dump_pairs(value: dict[Any, Any], key: Shape, item: Shape) -> dict[str, Any]:
    """A dict as its pairs, for keys that JSON does not have."""
    for k in value:
        if isinstance(k, Reference):
            msg = "a reference cannot be the key of a dict"
            raise Mismatch(msg)
    return {PAIRS: [[under(key.dump, k, k), under(item.dump, v, k)] for k, v in value.items()]}


def stored_pairs(data: dict[str, Any]) -> list[list[Any]] | None:
    """The pairs, if the object is a dict stored as such."""
    pairs = data.get(PAIRS) if len(data) == 1 else None
    if isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return pairs
    return None


class Anything(Shape):
    """No annotation, `Any` or `object`: tagged JSON."""

    name = "a value"
    types = (str, int, float, bool, type(None), list, dict, tuple, set, frozenset, complex, range, *TEXTS)
    kinds = frozenset({str, int, float, bool, type(None), list, dict})

    def __init__(self) -> None:
        self.shape_of_class: Callable[[type], Shape | None] = lambda cls: None
        """The shape of an enum or a record; whoever knows those sets it."""

    def dump(self, value: Any) -> Any:
        cls = type(value)
        if cls in _PLAIN:
            return value
        dump = _DUMP.get(cls)
        return dump(value) if dump else self._dump_instance(cls, value)

    def _dump_instance(self, cls: type, value: Any) -> Any:
        shape = self.shape_of_class(cls)
        if shape is None:
            return self.refuse(value)
        name = f"{module_name(cls.__module__)}:{cls.__qualname__}"
        if imported(name) is not cls:
            msg = f"{short(value)} cannot be stored without an annotation: its class is not to be found as {name}"
            raise Mismatch(msg)
        return {CLASS: [name, shape.dump(value)]}

    def load(self, data: Any) -> Any:
        cls = type(data)
        if cls is list:
            return data if _all_plain(data) else load_each(self, data)
        if cls is dict:
            return _load_dict(data)
        return data.value if cls is Given else data

    def mismatch(self, value: object) -> Mismatch:
        cls = type(value)
        msg = f"{short(value)} cannot be stored without an annotation that says what it is ({cls.__qualname__})"
        return Mismatch(msg)


ANY = Anything()


def _load_instance(stored: Any) -> Any:
    name, data = stored
    if type(name) is not str or ":" not in name:
        raise TypeError(name)
    cls = imported(name)
    shape = ANY.shape_of_class(cls) if isinstance(cls, type) else None
    if shape is None:
        msg = f"there is no class {name} here whose instances are stored: import its module where it is read"
        raise Mismatch(msg)
    return shape.load(data)


_PLAIN = frozenset({str, int, bool, type(None)})


def _all_plain(items: list[Any]) -> bool:
    return set(map(type, items)) <= _PLAIN


def _dump_float(value: float) -> float:
    if math.isfinite(value):
        return value
    msg = f"{value!r} cannot be stored: JSON has no such number"
    raise Mismatch(msg)


def _dump_list(value: list[Any]) -> list[Any]:
    return value if _all_plain(value) else dump_each(ANY, value)


def _dump_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if is_tag(value) or not set(map(type, value)) <= {str}:
        return dump_pairs(value, ANY, ANY)
    return {key: item if type(item) in _PLAIN else under(ANY.dump, item, key) for key, item in value.items()}


def _load_dict(data: dict[str, Any]) -> Any:
    if is_tag(data):
        ((tag, stored),) = data.items()
        load = _LOAD.get(tag)
        try:
            return load(stored) if load else data
        except (ValueError, TypeError, LookupError, ArithmeticError):
            return data  # not ours: JSON that was written by somebody else is what it says
    return {key: under(ANY.load, item, key) for key, item in data.items()}


def _load_pairs(stored: list[list[Any]]) -> dict[Any, Any]:
    return {ANY.load(key): ANY.load(item) for key, item in stored}


def _dump_complex(value: complex) -> dict[str, Any]:
    return {"$complex": [_dump_float(value.real), _dump_float(value.imag)]}


def _dump_range(value: range) -> dict[str, Any]:
    return {"$range": [value.start, value.stop, value.step]}


def _text_dumper(tag: str, to_text: Callable[[Any], str]) -> Callable[[Any], dict[str, str]]:
    return lambda value: {tag: to_text(value)}


def _text_loader(from_text: Callable[[str], Any]) -> Callable[[Any], Any]:
    def load(stored: Any) -> Any:
        if type(stored) is not str:
            raise TypeError(stored)
        return from_text(stored)

    return load


def _items(stored: Any) -> list[Any]:
    if type(stored) is not list:
        raise TypeError(stored)
    return load_each(ANY, stored)


def _hashable(items: list[Any]) -> list[Any]:
    for item in items:
        try:
            hash(item)
        except TypeError:
            msg = f"{short(item)} cannot be in a set"
            raise Mismatch(msg) from None
    return items


_DUMP: dict[type, Callable[[Any], Any]] = {
    float: _dump_float,
    list: _dump_list,
    dict: _dump_dict,
    complex: _dump_complex,
    range: _dump_range,
    tuple: lambda value: {"$tuple": dump_each(ANY, value)},
    set: lambda value: {"$set": sorted(dump_each(ANY, value), key=sort_key)},
    frozenset: lambda value: {"$frozenset": sorted(dump_each(ANY, value), key=sort_key)},
}
_LOAD: dict[str, Callable[[Any], Any]] = {
    PAIRS: _load_pairs,
    UNION: lambda stored: ANY.load(stored[1]),
    CLASS: _load_instance,
    "$complex": lambda stored: complex(*stored),
    "$range": lambda stored: range(*stored),
    "$tuple": lambda stored: tuple(_items(stored)),
    "$set": lambda stored: set(_hashable(_items(stored))),
    "$frozenset": lambda stored: frozenset(_hashable(_items(stored))),
}
for _cls, (_to_text, _from_text) in TEXTS.items():
    _tag = f"${_cls.__name__.lower()}"
    _DUMP[_cls] = _text_dumper(_tag, _to_text)
    _LOAD[_tag] = _text_loader(_from_text)
_DUMP[type(Path())] = _DUMP[Path]  # the class of a real path is the system's own
