"""
Many rows in few statements.

Each statement that the `sqlite3` module runs lets go of the interpreter lock, also each of an ``executemany``. In a
worker whose slots are busy every one of these may take milliseconds to get it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from jobyard.store.sql import positional

__all__ = ["batched"]

Rows = Sequence[Sequence[Any]]
_SIZES = (64, 8)
"""Few, since each is a statement of its own to prepare and keep."""
_VALUES = re.compile(r"(?<=\bvalues )\([?,\s\d]+\)")


def batched(statement: str, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """The statements to run for these rows, each with the parameters of its runs: ``values`` takes several."""
    text = positional(statement)
    begin = 0
    for size in _SIZES:
        end = len(rows) - (len(rows) - begin) % size
        if end > begin and (several := _of_several(text, size)) is not None:
            yield several, [_flat(rows[at : at + size]) for at in range(begin, end, size)]
            begin = end
    if begin < len(rows):
        yield text, rows[begin:]


def _flat(rows: Rows) -> list[Any]:
    return list(chain.from_iterable(rows))


@cache
def _of_several(text: str, size: int) -> str | None:
    """The statement for *size* rows; None if it has none of given values."""
    found = _VALUES.search(text)
    return text[: found.start()] + ", ".join([found[0]] * size) + text[found.end() :] if found else None
