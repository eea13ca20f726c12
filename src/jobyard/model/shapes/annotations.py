"""From an annotation to its shape."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import types
import typing
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from jobyard.model.shapes import scalars
from jobyard.model.shapes.containers import Fixed, Items, Mapping
from jobyard.model.shapes.hints import hints_of
from jobyard.model.shapes.records import (
    DataShape,
    Field,
    Model,
    NamedTupleShape,
    TypedDictShape,
    dataclass_fields,
    struct_fields,
)
from jobyard.model.shapes.shape import Shape
from jobyard.model.shapes.tagged import ANY
from jobyard.model.shapes.texts import TEXTS
from jobyard.model.shapes.unions import Constrained, Opaque, Union

__all__ = ["shape_of"]

_abc = collections.abc
_deque = collections.deque

_SCALARS: dict[Any, Shape] = {
    Any: ANY,
    object: ANY,
    None: scalars.NONE,
    type(None): scalars.NONE,
    str: scalars.STR,
    int: scalars.INT,
    bool: scalars.BOOL,
    float: scalars.FLOAT,
    complex: scalars.COMPLEX,
    range: ANY,
    **{cls: scalars.Text(cls) for cls in TEXTS},
}
_ITEMS: dict[Any, tuple[Callable[[Any], Any], tuple[type, ...]]] = {
    list: (list, (list,)),
    set: (set, (set,)),
    frozenset: (frozenset, (frozenset,)),
    tuple: (tuple, (tuple,)),
    _deque: (_deque, (_deque,)),
    # The abstract ones come back as the simplest class that does what they promise.
    _abc.Sequence: (list, (list, tuple, _deque)),
    _abc.MutableSequence: (list, (list, _deque)),
    _abc.Iterable: (list, (list, tuple, _deque, set, frozenset)),
    _abc.Collection: (list, (list, tuple, _deque, set, frozenset)),
    _abc.Set: (set, (set, frozenset)),
    _abc.MutableSet: (set, (set,)),
}
_MAPPINGS: dict[Any, tuple[Callable[[Any], Any], tuple[type, ...]]] = {
    dict: (dict, (dict,)),
    collections.OrderedDict: (collections.OrderedDict, (collections.OrderedDict,)),
    _abc.Mapping: (dict, (dict,)),
    _abc.MutableMapping: (dict, (dict,)),
}
_WRAPPERS = (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)
_Bindings = tuple[tuple[Any, Any], ...]


def shape_of(annotation: Any, bindings: _Bindings = ()) -> Shape:
    """
    The shape of what an annotation allows.

    Args:
        bindings: what the type variables of a generic class stand for.
    """
    try:
        return _cached(annotation, bindings)
    except TypeError:
        return _find(annotation, bindings)  # an annotation that cannot be hashed


@lru_cache(maxsize=2000)
def _cached(annotation: Any, bindings: _Bindings) -> Shape:
    return _find(annotation, bindings)


def _find(annotation: Any, bindings: _Bindings) -> Shape:
    if (annotation is None or annotation is Any or isinstance(annotation, type)) and annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, TypeVar):
        return _type_variable(annotation, bindings)
    if isinstance(annotation, typing.NewType):
        return shape_of(annotation.__supertype__, bindings)
    if isinstance(annotation, dataclasses.InitVar):
        return shape_of(annotation.type, bindings)
    if hasattr(annotation, "__value__"):  # ``type Name = ...``
        return shape_of(annotation.__value__, bindings)
    origin = typing.get_origin(annotation)
    if origin is None:
        return _class_shape(annotation, (), bindings)
    return _generic_shape(annotation, origin, typing.get_args(annotation), bindings)


def _type_variable(variable: TypeVar, bindings: _Bindings) -> Shape:
    bound = dict(bindings).get(variable)
    if bound is not None:
        return shape_of(bound)
    if variable.__constraints__:
        return Union([shape_of(each) for each in variable.__constraints__])
    return shape_of(variable.__bound__) if variable.__bound__ is not None else ANY


def _generic_shape(annotation: Any, origin: Any, args: tuple[Any, ...], bindings: _Bindings) -> Shape:
    if origin is typing.Annotated:
        return _annotated(annotation, args, bindings)
    if origin in (typing.Union, types.UnionType):
        return _union([shape_of(arg, bindings) for arg in args])
    if origin is typing.Literal:
        return _literal(args)
    if origin in _WRAPPERS or getattr(origin, "_name", None) == "ReadOnly":
        return shape_of(args[0], bindings)
    if isinstance(origin, type):
        return _class_shape(origin, args, bindings)
    return shape_of(origin.__value__, _bind(origin, args, bindings)) if hasattr(origin, "__value__") else ANY


def _annotated(annotation: Any, args: tuple[Any, ...], bindings: _Bindings) -> Shape:
    inner = shape_of(args[0], bindings)
    return Constrained(inner, annotation) if any(isinstance(m, msgspec.Meta) for m in args[1:]) else inner


def _union(members: list[Shape]) -> Shape:
    distinct = list(dict.fromkeys(members))
    return Union(distinct) if len(distinct) > 1 else distinct[0]


def _literal(values: tuple[Any, ...]) -> Shape:
    choices = []
    for value in values:
        data = value.name if isinstance(value, enum.Enum) else value
        choices.append((value, TEXTS[bytes][0](data) if isinstance(data, bytes) else data))
    return scalars.Choice(" | ".join(map(repr, values)), choices)


def _class_shape(cls: Any, args: tuple[Any, ...], bindings: _Bindings) -> Shape:
    if cls in _ITEMS:
        return _array(cls, args, bindings)
    if cls in _MAPPINGS:
        make, accepted = _MAPPINGS[cls]
        key, item = (shape_of(arg, bindings) for arg in args or (Any, Any))
        return Mapping(_name(cls, key, item) if args else cls.__name__, make, accepted, key, item)
    if not isinstance(cls, type):
        return ANY  # a special form that says nothing about the value
    if issubclass(cls, enum.Enum):
        return scalars.EnumShape(cls)
    return _record(cls, _bind(cls, args, bindings)) or Opaque(cls)


def _array(cls: Any, args: tuple[Any, ...], bindings: _Bindings) -> Shape:
    if cls is tuple and args and args[-1] is not Ellipsis and not any(map(_is_unpacked, args)):
        items = [shape_of(arg, bindings) for arg in args]
        return Fixed(_name(tuple, *items), items)
    make, accepted = _ITEMS[cls]
    if not args or any(map(_is_unpacked, args)):
        return Items(cls.__name__, make, accepted, ANY)
    item = shape_of(args[0], bindings)
    return Items(f"{_name(cls, item)[:-1]}{', ...' if cls is tuple else ''}]", make, accepted, item)


def _is_unpacked(arg: Any) -> bool:
    return typing.get_origin(arg) is typing.Unpack or getattr(arg, "__unpacked__", False)


def _name(cls: type, *parts: Shape) -> str:
    return f"{cls.__name__}[{', '.join(part.name for part in parts)}]"


def _bind(cls: Any, args: tuple[Any, ...], bindings: _Bindings) -> _Bindings:
    """What the type variables of a generic class stand for, given its arguments."""
    known = dict(bindings)
    variables = getattr(cls, "__parameters__", ()) or getattr(cls, "__type_params__", ())
    return tuple((variable, known.get(arg, arg)) for variable, arg in zip(variables, args, strict=False))


def _record(cls: Any, bindings: _Bindings) -> Shape | None:
    def shapes() -> collections.defaultdict[str, Shape]:
        known = {name: shape_of(hint, bindings) for name, hint in hints_of(cls).items()}
        return collections.defaultdict(lambda: ANY, known)

    if hasattr(cls, "__dataclass_fields__"):
        return DataShape(cls, lambda: dataclass_fields(cls, shapes()))
    if issubclass(cls, msgspec.Struct):
        return DataShape(cls, lambda: struct_fields(cls, shapes()))
    if typing.is_typeddict(cls):
        return TypedDictShape(cls, lambda: _typed_dict_fields(cls, shapes()))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return NamedTupleShape(cls, lambda: _named_tuple_fields(cls, shapes()))
    if hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump_json"):
        return Model(cls)
    return None


def _typed_dict_fields(cls: Any, shapes: dict[str, Shape]) -> list[Field]:
    hints = hints_of(cls)
    fields = []
    for name in sorted(cls.__required_keys__ | cls.__optional_keys__):
        required = name in cls.__required_keys__
        # The class itself does not see what is written in annotations that are text.
        origin = typing.get_origin(hints.get(name))
        if origin in (typing.Required, typing.NotRequired):
            required = origin is typing.Required
        fields.append(Field(name, shapes[name], required))
    return fields


def _named_tuple_fields(cls: Any, shapes: dict[str, Shape]) -> list[Field]:
    return [Field(name, shapes[name], name not in cls._field_defaults) for name in cls._fields]


def _shape_of_class(cls: type) -> Shape | None:
    """The shape by which instances of a class are stored of which no annotation says what they are."""
    shape = shape_of(cls)
    return shape if isinstance(shape, (scalars.EnumShape, DataShape, NamedTupleShape, Model)) else None


ANY.shape_of_class = _shape_of_class
