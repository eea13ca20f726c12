"""
The tasks of a yard by their names.

Rule: a name means one function. The same ``module:qualname`` under the same name is that function loaded again, and
replaces it; any other is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from jobyard.errors import UnknownTask, UsageError
from jobyard.task.task import Task

__all__ = ["Registry"]

AnyTask = Task[..., Any]


class Registry:
    """Names and aliases, and the task that each means. Look-ups take no lock; `add` does."""

    def __init__(self) -> None:
        self._tasks: dict[str, AnyTask] = {}
        self._adding = threading.Lock()

    def add(self, task: AnyTask) -> None:
        """
        Register a task under its name and its aliases.

        Raises:
            UsageError: one of them is another function's.
        """
        names = dict.fromkeys((task.name, *task.aliases), task)
        with self._adding:
            before = [self._tasks[name] for name in names if name in self._tasks]
            for other in before:
                _check_same(other, task, names)
            self._tasks.update(names)
            for name in {name for other in before for name in other.aliases} - names.keys():
                del self._tasks[name]

    def get(self, name: str) -> AnyTask:
        """
        The task of this name or alias.

        Raises:
            UnknownTask: there is none; the text has names that look like it.
        """
        try:
            return self._tasks[name]
        except KeyError:
            raise UnknownTask(_not_found(name, self.names())) from None

    @property
    def known(self) -> Mapping[str, AnyTask]:
        """All names and aliases: a read-only view that shows later additions too."""
        return MappingProxyType(self._tasks)

    def names(self) -> list[str]:
        """The names of the tasks, without aliases, sorted."""
        return sorted(name for name, task in list(self._tasks.items()) if task.name == name)

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[AnyTask]:
        """Each task once, by name."""
        return iter([self._tasks[name] for name in self.names()])

    def __len__(self) -> int:
        return len(self.names())


def _check_same(other: AnyTask, task: AnyTask, names: Mapping[str, AnyTask]) -> None:
    if (other.module, other.qualname) != (task.module, task.qualname):
        taken = next(name for name in (other.name, *other.aliases) if name in names)
        msg = (
            f"the task name {taken!r} is taken by {other.module}:{other.qualname}; "
            f"give {task.module}:{task.qualname} another one with name= (or mend aliases=)"
        )
        raise UsageError(msg)


def _not_found(name: str, names: list[str]) -> str:
    from difflib import get_close_matches  # only for a name that is wrong

    near = [each for each in names if each.rpartition(":")[2] == name]
    near += [each for each in get_close_matches(name, names) if each not in near]
    if near:
        return f"no task {name!r} is registered here; did you mean {' or '.join(map(repr, near))}?"
    return f"no task {name!r} is registered here; registered are {', '.join(names) or 'none'}"
