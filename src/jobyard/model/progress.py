"""
How far a job is, in groups that form a tree.

Rule 1: a group with a report of its own shows it, one without shows the sum of its children.
Rule 2: the newest report of a group counts, also when its figure is lower than the one before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.messages import ProgressReport
from jobyard.model.text import escape, shorten

__all__ = [
    "INTERVAL",
    "SEPARATOR",
    "Group",
    "Progress",
    "ProgressBook",
    "ProgressNode",
    "group_path",
    "join_group",
    "progress_tree",
    "split_group",
]

Group = str | Sequence[str]
"""A group as users write it: ``("reading", "headers")``, a list, or ``"reading::headers"``; empty is the whole job."""

SEPARATOR = "::"
INTERVAL = 0.2
"""Seconds between two writes of one job's progress: five a second."""

_COLON = re.compile(r"\\(?=[\\:]|$)|:(?=:|$)")
"""What is written with a backslash before it, so that a text can be taken apart again."""
_PIECE = re.compile(r"(::)|\\([\\:])|(.)", re.DOTALL)

_LEVELS = 32
_LONGEST = 500
_STATUS = 1_000
_TOO_LARGE = 2**63


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest report of a group: `current` of `total` (None: not known), and a line of `status`."""

    group: tuple[str, ...]
    current: float
    total: float | None
    status: str = ""

    @property
    def fraction(self) -> float | None:
        """`current` by `total`, as reported: not held below 1. None without a total; 0 of 0 is 0."""
        if self.total is None:
            return None
        return self.current / self.total if self.total else 0.0


class ProgressNode(msgspec.Struct):
    """A group in the tree with the figures it shows. `reported` is False where they are a sum."""

    group: tuple[str, ...]
    current: float = 0
    total: float | None = 0
    status: str = ""
    reported: bool = False
    children: list[ProgressNode] = msgspec.field(default_factory=list)

    @property
    def name(self) -> str:
        """The last part of the group's path; empty for the whole job."""
        return self.group[-1] if self.group else ""

    @property
    def fraction(self) -> float | None:
        """As `Progress.fraction`."""
        return Progress(self.group, self.current, self.total).fraction


class ProgressBook:
    """
    The reports of one run that are not written yet: the newest of each group.

    It decides when they are due; the clock is the caller's. One thread may report while another takes.
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        self.interval = interval
        self._pending: dict[tuple[str, ...], ProgressReport] = {}
        self._taken_at = -math.inf

    def report(self, current: float, total: float | None = None, group: Group = (), status: str = "") -> None:
        """
        Note how far a group is.

        Raises:
            BadArguments: naming the parameter, for what is no finite number or no group.
        """
        path = group_path(group)
        self._pending[path] = ProgressReport(
            list(path),
            _number(current, "current"),
            None if total is None else _number(total, "total"),
            escape(shorten(str(status), _STATUS)),
        )

    def due(self, now: float) -> bool:
        """Whether there is something to write and the last write is long enough ago, by the monotonic clock."""
        return bool(self._pending) and now - self._taken_at >= self.interval

    def take(self, now: float) -> list[ProgressReport]:
        """Everything that is not written yet, due or not (at the end of a run it never waits)."""
        self._taken_at = now
        # Group by group, so that a report which comes in meanwhile is either taken or stays.
        return [self._pending.pop(path) for path in list(self._pending)]


def group_path(group: Group | None) -> tuple[str, ...]:
    """
    A group as the tuple it is stored as. One nameless level is the whole job, as the empty text is.

    Raises:
        BadArguments: for anything but strings, and for a path too deep or too long to be shown.
    """
    parts: Sequence[str] = split_group(group) if isinstance(group, str) else group or ()
    if not isinstance(parts, (tuple, list)) or not all(isinstance(part, str) for part in parts):
        msg = f"group={group!r}: give a tuple or a list of texts, or one text with the levels divided by '::'"
        raise BadArguments(msg)
    if len(parts) > _LEVELS or sum(map(len, parts)) > _LONGEST:
        msg = f"group={shorten(repr(group), 80)}: at most {_LEVELS} levels and {_LONGEST} characters"
        raise BadArguments(msg)
    return () if list(parts) == [""] else tuple(map(escape, parts))


def join_group(path: Iterable[str]) -> str:
    """
    A path as one text, its levels divided by ``::``; `split_group` takes it apart again.

    A level in which that divider could be read has a backslash there.
    """
    return SEPARATOR.join(_COLON.sub(r"\\\g<0>", part) for part in path)


def split_group(text: str) -> tuple[str, ...]:
    """The levels of a text that are divided by ``::``; none in the empty text."""
    if not text:
        return ()
    levels = [""]
    for divider, escaped, other in _PIECE.findall(text):
        if divider:
            levels.append("")
        else:
            levels[-1] += escaped or other
    return tuple(levels)


def progress_tree(rows: Iterable[Progress]) -> ProgressNode:
    """The whole job as a tree of groups; children in the order of their first appearance in *rows*."""
    nodes: dict[tuple[str, ...], ProgressNode] = {(): ProgressNode(())}
    for row in rows:
        node = _node(nodes, row.group)
        node.current, node.total, node.status, node.reported = row.current, row.total, row.status, True
    for node in sorted(nodes.values(), key=lambda node: -len(node.group)):  # children before their parents
        if not node.reported and node.children:
            node.current = sum(child.current for child in node.children)
            node.total = _sum([child.total for child in node.children])
    return nodes[()]


def _node(nodes: dict[tuple[str, ...], ProgressNode], group: tuple[str, ...]) -> ProgressNode:
    if group not in nodes:
        nodes[group] = ProgressNode(group)
        _node(nodes, group[:-1]).children.append(nodes[group])
    return nodes[group]


def _sum(totals: Iterable[float | None]) -> float | None:
    """The sum; None when one of them is not known."""
    known = 0.0
    for total in totals:
        if total is None:
            return None
        known += total
    return known


def _number(value: object, name: str) -> float:
    try:
        if not isinstance(value, (bool, str)) and math.isfinite(number := float(value)):  # type: ignore[arg-type]
            # numpy's and Decimal's numbers become floats, and those that no database counts
            return value if isinstance(value, int) and abs(value) < _TOO_LARGE else number
    except (TypeError, ValueError, OverflowError):
        pass  # no number, or one too large
    msg = f"{name}={value!r}: give a finite number"
    raise BadArguments(msg)
