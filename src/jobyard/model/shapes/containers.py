"""Shapes of collections."""

from __future__ import annotations

import collections
import math
from collections.abc import Callable
from typing import Any

import msgspec

from jobyard.model.shapes.scalars import FLOAT
from jobyard.model.shapes.shape import Mismatch, Shape, dump_each, load_each, short, under
from jobyard.model.shapes.tagged import PAIRS, dump_pairs, is_tag, sort_key, stored_pairs

__all__ = ["Fixed", "Items", "Mapping"]

_ARRAYS = (list, tuple, set, frozenset, collections.deque)


class Items(Shape):
    """Any number of items of one shape: a list, a set, `tuple[int, ...]`."""

    kinds = frozenset({list})

    def __init__(self, name: str, make: Callable[[Any], Any], accepted: tuple[type, ...], item: Shape) -> None:
        self.name = name
        self.types = accepted
        self._make = make
        self._item = item
        self._sorted = make in (set, frozenset)

    def dump(self, value: Any) -> Any:
        if not isinstance(value, self.types):
            return self.refuse(value)
        dumped = list(value) if self._plain(value) or self._finite(value) else dump_each(self._item, value)
        return sorted(dumped, key=sort_key) if self._sorted else dumped

    def load(self, data: Any) -> Any:
        if not isinstance(data, _ARRAYS):
            return self.resort(data)
        items = data if self._plain(data) else load_each(self._item, data)
        try:
            return items if self._make is list and type(items) is list else self._make(items)
        except TypeError:
            msg = f"{short(items)} has items that cannot be in a set"
            raise Mismatch(msg) from None

    def _plain(self, values: Any) -> bool:
        """Whether all values can be taken as they are, found out without a step of Python for each."""
        plain = self._item.plain
        return plain is not None and set(map(type, values)) <= {plain}

    def _finite(self, values: Any) -> bool:
        return self._item is FLOAT and set(map(type, values)) <= {float} and all(map(math.isfinite, values))


class Fixed(Shape):
    """A tuple whose items have a shape each."""

    types = (tuple,)
    kinds = frozenset({list})

    def __init__(self, name: str, items: list[Shape]) -> None:
        self.name = name
        self._items = items

    def dump(self, value: Any) -> Any:
        if type(value) is not tuple or len(value) != len(self._items):
            return self.refuse(value)
        return [under(shape.dump, v, i) for i, (shape, v) in enumerate(zip(self._items, value, strict=True))]

    def load(self, data: Any) -> Any:
        if not isinstance(data, (list, tuple)) or len(data) != len(self._items):
            return self.resort(data)
        return tuple([under(shape.load, v, i) for i, (shape, v) in enumerate(zip(self._items, data, strict=True))])


class Mapping(Shape):
    """
    A dict. With keys of `str` it is a JSON object, else its pairs (see `tagged`).

    A JSON object is read for other keys too, as somebody writes it by hand: ``{"1": "one"}`` for `dict[int, str]`.
    """

    kinds = frozenset({dict})

    def __init__(
        self, name: str, make: Callable[[Any], Any], accepted: tuple[type, ...], key: Shape, item: Shape
    ) -> None:
        self.name = name
        self.types = accepted
        self._make = make
        self._key = key
        self._item = item

    def dump(self, value: Any) -> Any:
        if not isinstance(value, self.types):
            return self.refuse(value)
        if self._key.plain is not str or is_tag(value) or not set(map(type, value)) <= {str}:
            return dump_pairs(value, self._key, self._item)
        return {key: under(self._item.dump, item, key) for key, item in value.items()}

    def load(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return self.resort(data)
        pairs = stored_pairs(data) if PAIRS in data else None
        try:
            if pairs is None:
                return self._make([(self._load_key(k), under(self._item.load, v, k)) for k, v in data.items()])
            return self._make([(self._key.load(k), under(self._item.load, v, k)) for k, v in pairs])
        except TypeError:
            msg = f"{short(data)} has keys that cannot be in a dict"
            raise Mismatch(msg) from None

    def _load_key(self, key: Any) -> Any:
        try:
            return self._key.load(key)
        except Mismatch:
            if type(key) is not str:
                raise
            try:
                return self._key.load(msgspec.json.decode(key))
            except msgspec.DecodeError:
                raise self._key.mismatch(key) from None
