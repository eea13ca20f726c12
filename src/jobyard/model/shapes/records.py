"""Shapes of classes with named fields: dataclasses, msgspec structs, TypedDicts, named tuples, pydantic models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any

import msgspec

from jobyard.model.shapes.shape import Mismatch, Name, Shape

__all__ = ["DataShape", "Field", "Model", "NamedTupleShape", "TypedDictShape", "dataclass_fields", "struct_fields"]


class Field(msgspec.Struct, frozen=True):
    """A field of a record. One that is not `init` is set after the instance was made."""

    name: str
    shape: Shape
    required: bool = True
    init: bool = True

    def dump(self, value: Any) -> Any:
        try:
            return self.shape.dump(value)
        except Mismatch as mismatch:
            raise mismatch.under(Name(self.name)) from None

    def load(self, data: Any) -> Any:
        try:
            return self.shape.load(data)
        except Mismatch as mismatch:
            raise mismatch.under(Name(self.name)) from None


def dataclass_fields(cls: type, shapes: dict[str, Shape]) -> list[Field]:
    """The fields of a dataclass, whose shapes are given."""
    return [
        Field(
            f.name,
            shapes[f.name],
            required=f.init and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING,
            init=f.init,
        )
        for f in dataclasses.fields(cls)
    ]


def struct_fields(cls: type[msgspec.Struct], shapes: dict[str, Shape]) -> list[Field]:
    """The fields of a struct, whose shapes are given."""
    return [Field(f.name, shapes[f.name], required=f.required) for f in msgspec.structs.fields(cls)]


class _Record(Shape):
    """Fields are found at first use, since a class may speak of itself and of classes that come later."""

    kinds = frozenset({dict})

    def __init__(self, cls: type, fields: Callable[[], list[Field]]) -> None:
        self.name = cls.__name__
        self.cls = cls
        self.types = (cls,)
        self._find = fields

    @cached_property
    def _fields(self) -> dict[str, Field]:
        return {field.name: field for field in self._find()}

    def _load_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        fields = self._fields
        if unknown := [key for key in data if key not in fields]:
            msg = f"{self.name} has no field {unknown[0]!r}"
            raise Mismatch(msg)
        for field in fields.values():
            if field.required and field.name not in data:
                msg = f"{self.name} needs a field {field.name!r}"
                raise Mismatch(msg)
        return {key: fields[key].load(value) for key, value in data.items()}


class DataShape(_Record):
    """A dataclass or a struct. A subclass is refused: it would come back as its base."""

    def dump(self, value: Any) -> Any:
        if type(value) is not self.cls:
            return self.refuse(value)
        return {
            name: field.dump(getattr(value, name))
            for name, field in self._fields.items()
            if getattr(value, name, msgspec.UNSET) is not msgspec.UNSET
        }

    def load(self, data: Any) -> Any:
        if type(data) is not dict:
            return data if type(data) is self.cls else self.resort(data)
        loaded = self._load_fields(data)
        later = [name for name, field in self._fields.items() if not field.init and name in loaded]
        try:
            value = self.cls(**{name: item for name, item in loaded.items() if name not in later})
        except (TypeError, ValueError) as error:
            msg = f"{self.name} refuses its fields: {error}"
            raise Mismatch(msg) from error
        for name in later:
            object.__setattr__(value, name, loaded[name])  # the class may be frozen
        return value


class TypedDictShape(_Record):
    """A dict with known keys."""

    def __init__(self, cls: type, fields: Callable[[], list[Field]]) -> None:
        super().__init__(cls, fields)
        self.types = (dict,)

    def dump(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return self.refuse(value)
        fields = self._fields
        for key in value:
            if key not in fields:
                msg = f"{self.name} has no key {key!r}"
                raise Mismatch(msg)
        for field in fields.values():
            if field.required and field.name not in value:
                msg = f"{self.name} needs a key {field.name!r}"
                raise Mismatch(msg)
        return {key: fields[key].dump(item) for key, item in value.items()}

    def load(self, data: Any) -> Any:
        return self._load_fields(data) if isinstance(data, dict) else self.resort(data)


class NamedTupleShape(_Record):
    """A named tuple, stored as a list."""

    kinds = frozenset({list})

    def dump(self, value: Any) -> Any:
        if type(value) not in self.types:
            return self.refuse(value)
        return [field.dump(item) for field, item in zip(self._fields.values(), tuple(value), strict=True)]

    def load(self, data: Any) -> Any:
        if not isinstance(data, (list, tuple)):
            return self.resort(data)
        fields = list(self._fields.values())
        least = sum(field.required for field in fields)
        if not least <= len(data) <= len(fields):
            msg = f"{self.name} has {len(fields)} items, got {len(data)}"
            raise Mismatch(msg)
        return self.cls(*[field.load(item) for field, item in zip(fields, data, strict=False)])


class Model(Shape):
    """A pydantic model: it knows itself how to become JSON, and what to refuse."""

    kinds = frozenset({dict})

    def __init__(self, cls: Any) -> None:
        self.name = cls.__name__
        self.cls = cls
        self.types = (cls,)

    def dump(self, value: Any) -> Any:
        if type(value) is not self.cls:
            return self.refuse(value)
        try:
            # Through text: only there does pydantic say which numbers JSON does not have, by writing null for them.
            text = value.model_dump_json(by_alias=True, round_trip=True)
            restored = self.cls.model_validate_json(text)
        except ValueError as error:
            raise self._refused(error) from error
        if restored != value:
            msg = f"{self.name} would not come back from JSON as it is"
            raise Mismatch(msg)
        return msgspec.json.decode(text)

    def load(self, data: Any) -> Any:
        if type(data) is self.cls:
            return data
        if not isinstance(data, dict):
            return self.resort(data)
        try:
            return self.cls.model_validate_json(msgspec.json.encode(data))
        except ValueError as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> Mismatch:
        return Mismatch(f"{self.name}: {' '.join(str(error).split())}")
