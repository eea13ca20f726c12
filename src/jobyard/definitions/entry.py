"""A definition as somebody wrote it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypedDict

from jobyard.errors import BadArguments, UsageError
from jobyard.model.retry import Retry
from jobyard.task import Duration, Task

__all__ = ["DefinitionKeywords", "Entry", "Fault", "by_line"]


class DefinitionKeywords(TypedDict, total=False):
    """What `Definitions.add` takes besides the task and its arguments: the keys of the YAML."""

    function: str | None
    title: str | None
    notes: str | None
    dependencies: Iterable[str] | None
    queue: str | None
    priority: int | None
    retry: int | Retry | Mapping[str, Any] | None
    timeout: Duration | None
    protected: bool | None
    cleanup: Task[..., Any] | str | None
    every: Duration | None
    cron: str | None
    timezone: str | None
    overlap: Literal["skip", "allow"] | None
    jitter: Duration | None
    failure_limit: int | None
    keep: Duration | None
    state: Literal["active", "draft"] | None


class Fault(NamedTuple):
    """What is wrong, and in which line; None for what was written in Python."""

    line: int | None
    text: str
    kind: type[UsageError] = BadArguments

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


def by_line(fault: Fault) -> int:
    """What faults are sorted by."""
    return fault.line or 0


@dataclass(slots=True)
class Entry:
    """One definition as it is written: its values by their keys, and the line of each."""

    name: str
    values: dict[str, Any]
    line: int | None = None
    lines: dict[str, int] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()
    """The keys whose values come from the database; nobody imports a name that was found there."""

    def at(self, key: str) -> int | None:
        return self.lines.get(key, self.line)

    def fault(self, key: str, text: str, kind: type[UsageError] = BadArguments) -> Fault:
        """What is wrong with the value of a key, or that it is missing."""
        return Fault(self.at(key), f"{self.name or 'a definition without a name'}: {text}", kind)
