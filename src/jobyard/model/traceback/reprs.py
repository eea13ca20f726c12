"""
Reprs of any object whatever: short, masked, and without an exception.

Containers and records are written by this module, not by their own ``repr``, so a list of a million items costs no
more than one of twenty, and a secret key hides its value at any depth.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec

from jobyard.model.text import escape, shorten
from jobyard.model.traceback.masks import HIDDEN, Masks

__all__ = ["Reprs", "type_name"]

_BRACKETS: dict[type, tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}")}


class Reprs:
    """
    Writes reprs.

    Args:
        masks: which names hide their value.
        limit: the most characters of one repr.
        items: the most items of one container.
        depth: how many containers deep.
    """

    def __init__(self, masks: Masks, *, limit: int = 400, items: int = 20, depth: int = 5) -> None:
        self.masks = masks
        self.limit = limit
        self.items = items
        self.depth = depth

    def named(self, name: str, value: object) -> str:
        """The repr of what stands under this name."""
        if self.masks.hides(name) and value is not None and type(value) is not bool:
            return HIDDEN
        return self.of(value)

    def of(self, value: object) -> str:
        """The repr, fit to be stored. Never raises."""
        text = shorten(self._contained(value, self.depth), 4 * self.limit)
        return escape(shorten(self.masks.scrub(text), self.limit))

    def _contained(self, value: object, depth: int) -> str:
        try:
            return str.__str__(self._write(value, depth))
        except BaseException as exc:  # whatever a repr does, even sys.exit() or endless recursion
            return f"<{type_name(type(value))}: its repr raised {type(exc).__name__}>"

    def _write(self, value: Any, depth: int) -> str:
        kind = type(value)
        written: object = kind.__repr__
        if written in _TEXT_REPRS:
            return self._text(value)
        names = _field_names(kind)
        if names is not None:
            return self._record(value, names, depth)
        if issubclass(kind, dict):  # of the true class: a proxy says it is what it stands for
            return _called(kind, dict, self._dict(value, depth))
        for plain in (list, tuple, set):
            if issubclass(kind, plain):
                return _called(kind, plain, self._sequence(value, plain, depth))
        if issubclass(kind, (frozenset, deque)):
            return f"{kind.__name__}({self._sequence(value, list, depth)})"
        if written is BaseException.__repr__:
            return f"{kind.__name__}({self._items(value.args, depth)})"
        return repr(value)

    def _text(self, value: str | bytes | bytearray) -> str:
        whole = len(value) <= self.limit
        return repr(value) if whole else repr(value[: self.limit]) + f"… ({len(value)} in all)"

    def _dict(self, value: dict[Any, Any], depth: int) -> str:
        return (
            "{"
            + self._joined(value, dict.items(value), lambda item: self._pair(item[0], item[1], depth - 1), depth)
            + "}"
        )

    def _pair(self, key: object, value: object, depth: int) -> str:
        shown = HIDDEN if self.masks.hides(key) and value is not None else self._contained(value, depth)
        return f"{self._contained(key, depth)}: {shown}"

    def _sequence(self, value: Any, plain: type, depth: int) -> str:
        opening, closing = _BRACKETS[plain]
        inner = self._items(value, depth)
        if plain is set and not value:
            return "set()"
        return f"{opening}{inner}{',' if plain is tuple and len(value) == 1 else ''}{closing}"

    def _items(self, value: Any, depth: int) -> str:
        return self._joined(value, value, lambda item: self._contained(item, depth - 1), depth)

    def _joined(self, whole: Any, items: Iterable[Any], write: Callable[[Any], str], depth: int) -> str:
        if depth <= 0:
            return "…" if len(whole) else ""
        shown = [write(item) for item in islice(items, self.items)]
        rest = len(whole) - len(shown)
        return ", ".join(shown + [f"… {rest} more"] * (rest > 0))

    def _record(self, value: object, names: tuple[str, ...], depth: int) -> str:
        if depth <= 0:
            return f"{type(value).__qualname__}(…)"
        shown = (f"{name}={self._attribute(value, name, depth - 1)}" for name in names[: self.items])
        return f"{type(value).__qualname__}({', '.join(shown)})"

    def _attribute(self, value: object, name: str, depth: int) -> str:
        inner = getattr(value, name, None)
        return HIDDEN if self.masks.hides(name) and inner is not None else self._contained(inner, depth)


_TEXT_REPRS: tuple[object, ...] = (str.__repr__, bytes.__repr__, bytearray.__repr__)


def type_name(kind: type) -> str:
    """A class as Python's tracebacks name it: ``ValueError``, ``shop.errors.OutOfStock``."""
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _called(kind: type, plain: type, text: str) -> str:
    return text if kind is plain else f"{kind.__name__}({text})"


def _field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a record whose repr is the generated one; None for anything else."""
    if issubclass(kind, tuple):
        return getattr(kind, "_fields", None)
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__ if kind.__repr__ is msgspec.Struct.__repr__ else None
    # Only the repr that dataclasses generate is wrapped; one written by hand is asked instead.
    if dataclasses.is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):
        return tuple(field.name for field in dataclasses.fields(kind) if field.repr)
    return None
