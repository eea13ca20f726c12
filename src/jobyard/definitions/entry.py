"""A definition as somebody wrote it, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobyard.errors import BadArguments, UsageError

__all__ = ["Entry", "Fault"]


class Fault(NamedTuple):
    """What is wrong, and in which line; None for what was written in Python."""

    line: int | None
    text: str
    kind: type[UsageError] = BadArguments

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


@dataclass(slots=True)
class Entry:
    """One definition as it is written: its values by their keys, and the line of each."""

    name: str
    values: dict[str, Any]
    line: int | None = None
    lines: dict[str, int] = field(default_factory=dict)

    def at(self, key: str) -> int | None:
        return self.lines.get(key, self.line)
