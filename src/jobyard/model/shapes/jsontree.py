"""
The last step from a dumped tree to JSON text, and the first one back.

Nearly every tree is encoded as it is. One that holds references, or whole numbers with more digits than Python likes to
print, is settled first: a reference becomes null and is listed with its path, such a number becomes hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from jobyard.model.references import Reference, Retval
from jobyard.model.shapes.shape import Given, Mismatch
from jobyard.model.shapes.tagged import is_tag

__all__ = ["UNSETTLED", "Path", "encode", "fill", "settle", "unsettle"]

Path = list[str | int]
_HUGE = "$int"
_DIGITS = 4300
"""Longer numbers are refused by `str` and `int` unless written in hexadecimal."""

UNSETTLED = '{"$int":'
"""Text without this has nothing to unsettle."""


class _Found(Exception):
    """The encoder met a reference."""


def _found(value: object) -> Any:
    raise _Found(value)


encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_found).encode
"""Encode a settled tree. Any exception means that it has to be settled first, or cannot be encoded at all."""


def settle(tree: Any, path: Path, found: list[tuple[Path, Retval]]) -> Any:
    """
    A copy of the tree that can be encoded; its references are added to *found*, with paths that begin with *path*.

    Raises:
        Mismatch: for a text with lone surrogates.
    """
    if isinstance(tree, list):
        return [settle(item, [*path, index], found) for index, item in enumerate(tree)]
    if isinstance(tree, dict):
        return {_text(key): settle(item, [*path, key], found) for key, item in tree.items()}
    if isinstance(tree, Reference):
        found.append((path, tree.as_retval()))
        return None
    if type(tree) is int and tree.bit_length() > 3 * _DIGITS:
        return {_HUGE: hex(tree)}
    return _text(tree) if isinstance(tree, str) else tree


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = "the text has lone surrogates, which UTF-8 cannot store"
        raise Mismatch(msg) from None
    return text


def unsettle(tree: Any) -> Any:
    """The tree with its long numbers restored."""
    if isinstance(tree, list):
        return [unsettle(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if is_tag(tree) and isinstance(digits := tree.get(_HUGE), str):
        with suppress(ValueError):  # it is no number of ours
            return int(digits, 16)
    return {key: unsettle(item) for key, item in tree.items()}


def fill(tree: Any, path: Sequence[str | int], value: object) -> None:
    """Put a value in the place of a reference. Raises LookupError or TypeError for a path that leads nowhere."""
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = Given(value)
