"""The hosts of a worker: this process, or `processes` children, and a pool of children for isolated jobs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from jobyard.config import Settings
from jobyard.context import Link
from jobyard.errors import UsageError
from jobyard.model.codec import Codec
from jobyard.model.messages import Run
from jobyard.task import Registry
from jobyard.worker.child_host import ChildHost
from jobyard.worker.children import Children, importable
from jobyard.worker.host import Host
from jobyard.worker.isolated import IsolatedHost
from jobyard.worker.shop import HostOptions

__all__ = ["Hosts", "Plan"]

_GIVE_UP = 5.0


class Plan(Protocol):
    """What the hosts need to know of the worker."""

    concurrency: int
    processes: int
    max_jobs: int | None
    max_memory: int | None


class Hosts:
    """
    Starts the hosts that a worker needs, and says which of them takes a run.

    Args:
        owner: the yard, which children import from the module of a task.
    """

    def __init__(
        self,
        plan: Plan,
        tasks: Registry,
        codec: Codec,
        link: Link,
        settings: Settings,
        send: Callable[[list[Any]], None],
        owner: Any,
    ) -> None:
        self._plan = plan
        self._tasks = tasks
        self._codec = codec
        self._link = link
        self._settings = settings
        self._send = send
        self._owner = owner
        self._children: Children | None = None
        self._shared: list[Host | ChildHost] = []
        self._isolated: IsolatedHost | None = None
        self._loads: dict[int, int] = {}

    def __iter__(self) -> Iterator[Any]:
        yield from self._shared
        if self._isolated is not None:
            yield self._isolated

    def start(self) -> None:
        """
        Start them.

        Raises:
            UsageError: tasks that need a child process cannot be imported by one.
        """
        plan = self._plan
        if plan.processes == 1:
            host = Host(
                self._tasks.known,
                slots=plan.concurrency,
                send=self._send,
                codec=self._codec,
                link=self._link,
                options=self._options(),
            )
            self._shared = [host]
        else:
            children = self._started_children()
            self._shared = [ChildHost(children, slots=slots) for slots in _shares(plan.concurrency, plan.processes)]
        for each in self._shared:
            each.start()
        isolated = {task.name for task in self._tasks if task.options.isolation == "process"}
        if isolated:
            self._isolated_host()
        if self._children is not None:
            self._children.check(isolated if plan.processes == 1 else set(self._tasks.names()))

    def place(self, run: Run) -> Host | ChildHost | IsolatedHost:
        """The host for a run: the one with the shortest line."""
        if run.isolation == "process":
            return self._isolated_host()
        if len(self._shared) == 1:
            return self._shared[0]
        host = min(self._shared, key=lambda host: self._loads.get(id(host), 0) / host.slots)
        self._loads[id(host)] = self._loads.get(id(host), 0) + 1
        return host

    def left(self, host: Any) -> None:
        """A run that was placed there has ended."""
        if id(host) in self._loads:
            self._loads[id(host)] -= 1

    def stop(self) -> None:
        """End them all; what still runs in threads is left to itself, what runs in children is killed."""
        for host in self:
            host.stop()
            if isinstance(host, Host):
                host.leave()
        if self._children is not None:
            self._children.stop()
        self._children = self._isolated = None
        self._shared = []
        self._loads.clear()

    def kill(self) -> None:
        """Kill the children at once."""
        if self._children is not None:
            self._children.kill()

    def _isolated_host(self) -> IsolatedHost:
        if self._isolated is None:
            self._isolated = IsolatedHost(self._started_children(), slots=self._plan.concurrency)
            self._isolated.start()
        return self._isolated

    def _started_children(self) -> Children:
        if self._children is None:
            app = app_of(self._owner, self._settings.app, self._tasks)
            self._children = Children(app, send=self._send, options=self._options())
            self._children.start()
        return self._children

    def _options(self) -> HostOptions:
        settings, plan = self._settings, self._plan
        return HostOptions(
            max_lines=settings.max_log.lines,
            max_bytes=settings.max_log.bytes,
            mask=settings.mask,
            max_payload=settings.max_payload,
            log_level=logging.getLevelNamesMapping()[settings.log_level],
            give_up=_GIVE_UP,
            max_jobs=plan.max_jobs,
            max_memory=plan.max_memory,
        )


def app_of(owner: Any, app: str | None, tasks: Registry) -> str:
    """
    Where a child process finds the yard, as ``module:attribute``.

    Raises:
        UsageError: it is in no module that a child could import.
    """
    modules = dict.fromkeys(task.decorated.__module__ for task in tasks)
    for module in modules:
        for name, value in vars(sys.modules.get(module, sys)).items():
            if value is owner and not name.startswith("__"):
                return f"{importable(module)}:{name}"
    if app is not None:
        return app
    msg = (
        "child processes import the yard, but it is no global of a module that defines a task: put "
        "`yard = Yard(...)` at the top of a module, or name it with app='module:yard'"
    )
    raise UsageError(msg)


def _shares(slots: int, processes: int) -> Sequence[int]:
    """The slots spread over the processes, at least one each."""
    each, rest = divmod(slots, processes)
    return [max(1, each + (number < rest)) for number in range(processes)]
