"""Statements as the server takes them: the schema named, parameters numbered."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import msgspec

__all__ = ["array_text", "batched", "numbered", "qualified"]

_NUMBERS = frozenset({int, type(None)})
"""Of these JSON and arrays look the same but for the brackets, and JSON is written in no time."""
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_SCHEMA = re.compile(r"\bmain\b")


def qualified(statement: str, schema: str) -> str:
    """The statement with the schema's name, which needs no quotes, for ``main``."""
    return _SCHEMA.sub(schema, statement)


@lru_cache(maxsize=2048)
def numbered(statement: str, schema: str) -> tuple[str, tuple[str, ...]]:
    """The statement with ``$1`` for its first parameter and so on, and the names of the parameters in that order."""
    names = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    places = {name: f"${number}" for number, name in enumerate(names, 1)}
    return qualified(_PARAMETER.sub(lambda found: places[found[1]], statement), schema), names


def batched(statement: str, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
    """The parameters for each run of a statement on these rows: one run, if it takes each column as an array."""
    if rows and "unnest(" in statement:
        return [[list(column) for column in zip(*rows, strict=True)]]
    return rows


def array_text(values: Collection[str | int | float | None]) -> str:
    """
    An array as the server reads it.

    Many columns of a batch say the same in each row, so each different value is written once.
    """
    if _NUMBERS.issuperset(map(type, values)):
        return f"{{{msgspec.json.encode(values).decode()[1:-1]}}}"
    written = {value: _element(value) for value in set(values)}
    return f"{{{','.join([written[value] for value in values])}}}"


def _element(value: str | float | None) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return "null" if value is None else repr(value)
