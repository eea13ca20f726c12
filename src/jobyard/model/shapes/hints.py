"""Annotations of functions and classes, resolved as far as the names in them can be found."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from typing import Any

__all__ = ["enclosing_names", "hints_of"]


def hints_of(thing: Any, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    The annotations of a function or class. One that speaks of an unknown name is left out.

    Args:
        names: more names that annotations may use.
    """
    local = dict(names or {})
    if isinstance(thing, type):
        local.setdefault(thing.__name__, thing)  # a class inside a function may speak of itself
    try:
        return typing.get_type_hints(thing, localns=local or None, include_extras=True)
    except Exception:  # an annotation written as text may raise anything
        return _one_by_one(thing, local)


def _one_by_one(thing: Any, local: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for owner in reversed(thing.__mro__) if isinstance(thing, type) else [thing]:
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        known = getattr(owner, "__globals__", None) or vars(module or typing)
        for name, annotation in _written(owner).items():
            try:
                result |= typing.get_type_hints(_holder(name, annotation), known, local, include_extras=True)
            except Exception:
                result.pop(name, None)
    return result


def _written(owner: Any) -> dict[str, Any]:
    try:
        return dict(inspect.get_annotations(owner))
    except Exception:  # from Python 3.14 on they are evaluated only now
        return {}


def _holder(name: str, annotation: Any) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {name: annotation}
    return holder


def enclosing_names(thing: Any) -> dict[str, Any]:
    """The local names of the function that is just defining this function or class, if there is one."""
    outer, local, _ = thing.__qualname__.rpartition(".<locals>.")
    frame = sys._getframe() if local else None
    while frame is not None:
        if frame.f_code.co_qualname == outer and frame.f_globals.get("__name__") == thing.__module__:
            return frame.f_locals
        frame = frame.f_back
    return {}
