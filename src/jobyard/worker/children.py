"""
The child processes of a worker: one thread starts them, listens to them and buries them.

Rule 1: they are started by exec, never by fork alone, from this thread, which lives as long as the claimer.
Rule 2: nothing here waits for a child: what it does not take is kept, what it writes is read in measured pieces.
Rule 3: every run given to a child ends in one message, also when the child dies: `Outcome`, `Abandoned` or `NotBegun`.
"""

from __future__ import annotations

import heapq
import logging
import os
import selectors
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from time import monotonic
from typing import Protocol

from jobyard.config import command_line
from jobyard.errors import UsageError
from jobyard.model.messages import Ready, Upstream, Upward, Worn
from jobyard.model.modules import module_name
from jobyard.model.traceback import RemoteError
from jobyard.worker.process import ChildProcess
from jobyard.worker.shop import HostOptions
from jobyard.worker.wire import Setup

__all__ = ["Children", "Owner", "importable"]

logger = logging.getLogger("jobyard.worker.children")

_PIECE = 1 << 17
"""Bytes that are read of a stream at once; more is read after a pause, so that a flood leaves time for others."""
_PAUSE = 0.01
_HARDLY = 5.0


class Owner(Protocol):
    """Who has children and is told what becomes of them, in the thread of `Children`, under its lock."""

    def came(self, child: ChildProcess) -> None: ...
    def said(self, child: ChildProcess, messages: list[Upward]) -> None: ...
    def wrote(self, child: ChildProcess, stream: str, data: bytes) -> None: ...
    def died(self, child: ChildProcess, how: str) -> None: ...


@dataclass(order=True)
class _Timer:
    when: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Children:
    """
    Starts and watches child processes.

    Args:
        app: ``module:attribute`` of the yard, which children import: its `tasks.known`, `codec` and `link()`.
        send: takes what the runs in all children say.
        options: settings, for the hosts in the children too.
    """

    def __init__(self, app: str, *, send: Callable[[Upstream], None], options: HostOptions | None = None) -> None:
        self.app = app
        self.options = options or HostOptions()
        self.lock = threading.RLock()
        self.error: str | None = None
        """Why the last child that could not start did not."""
        self.tasks: frozenset[str] | None = None
        """The tasks that children have found."""
        self._send = send
        self._selector = selectors.DefaultSelector()
        self._here, self._bell = socket.socketpair()
        self._timers: list[_Timer] = []
        self._numbers = count()
        self._unsent: Upstream = []
        self._owners: dict[ChildProcess, Owner] = {}
        self._tried = threading.Event()
        self._all_gone = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="jobyard-children", daemon=True)

    # For the claimer.

    def start(self) -> None:
        for end in (self._here, self._bell):
            end.setblocking(False)
        self._selector.register(self._here, selectors.EVENT_READ, lambda _: self._here.recv(4096))
        self._thread.start()

    def check(self, names: set[str], timeout: float = 60.0) -> None:
        """
        Wait until a child has imported the app.

        Raises:
            UsageError: it could not, or these tasks are not among those it has found.
        """
        self._tried.wait(timeout)
        if self.tasks is None:
            msg = f"a child process cannot import {self.app}: {self.error or f'no answer within {timeout:g} s'}"
            raise UsageError(msg)
        if missing := sorted(names - self.tasks):
            msg = f"a child process that imports {self.app} does not find the task {missing[0]}"
            raise UsageError(msg)

    @property
    def pids(self) -> list[int]:
        with self.lock:
            return [child.pid for child in self._owners]

    def kill(self) -> None:
        """Kill all children at once."""
        with self.lock:
            for child in self._owners:
                child.kill()

    def stop(self, patience: float = 1.0) -> None:
        """Give children that were told to stop this many seconds, kill what is left then, and end the thread."""
        if self._owners:
            self._all_gone.clear()
            self._all_gone.wait(patience if self._owners else 0.0)
        self._closing = True
        self.kill()
        self._ring()
        if self._thread.is_alive():
            self._thread.join(_HARDLY)

    # For the owners.

    def spawn(self, owner: Owner, *, slots: int, isolated: bool) -> None:
        """Start a child in the thread of the children; `owner.came` is told."""
        setup = Setup(
            app=self.app,
            path=_path(),
            python_path=os.environ.get("PYTHONPATH"),
            argv=sys.argv,
            command_line=command_line(),
            slots=slots,
            isolated=isolated,
            options=self.options,
        )
        self.at(0.0, lambda: self._spawn(owner, setup))

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do this at an instant (monotonic), in the thread of the children and under its lock."""
        with self.lock:
            heapq.heappush(self._timers, _Timer(when, next(self._numbers), act))
        self._ring()

    def say(self, messages: Upstream) -> None:
        """Send this to the claimer, when the lock is free again."""
        self._unsent += messages
        if threading.current_thread() is not self._thread:
            self._ring()

    def write_later(self, child: ChildProcess) -> None:
        """Call after `tell` and `give`: what the socket did not take is written when it does."""
        if child.has_unsent:
            self._ring()

    def _ring(self) -> None:
        try:
            self._bell.send(b".")
        except OSError:
            pass  # full: it rings already

    # In the thread of the children.

    def _serve(self) -> None:
        while not (self._closing and not self._owners):
            with self.lock:
                self._watch_writers()
                wait = max(self._timers[0].when - monotonic(), 0.0) if self._timers else None
            for key, mask in self._selector.select(wait):
                self._guarded(partial(key.data, mask))
            self._guarded(self._act)
            with self.lock:
                unsent, self._unsent = self._unsent, []
            if unsent:
                self._send(unsent)
        self._selector.close()
        self._here.close()
        self._bell.close()

    def _guarded(self, act: Callable[[], None]) -> None:
        """What goes wrong with one child must not cost the others."""
        try:
            with self.lock:
                act()
        except Exception:
            logger.exception("the children's keeper stumbled")

    def _act(self) -> None:
        now = monotonic()
        while self._timers and self._timers[0].when <= now:
            heapq.heappop(self._timers).act()

    def _watch_writers(self) -> None:
        for child in self._owners:
            key = self._selector.get_map().get(child.socket)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.has_unsent else 0)
            if key is not None and key.events != events:
                self._selector.modify(child.socket, events, key.data)

    def _spawn(self, owner: Owner, setup: Setup) -> None:
        if self._closing:
            return
        child = ChildProcess(setup)
        self._owners[child] = owner
        self._selector.register(child.socket, selectors.EVENT_READ, lambda mask: self._on_socket(child, mask))
        if child.pidfd is not None:
            self._selector.register(child.pidfd, selectors.EVENT_READ, lambda _: self._bury(child))
        for name in child.pipes:
            self._watch_pipe(child, name)
        owner.came(child)

    def _watch_pipe(self, child: ChildProcess, name: str) -> None:
        if child in self._owners:
            pipe = child.pipes[name]
            self._selector.register(pipe, selectors.EVENT_READ, lambda _: self._on_pipe(child, name))

    def _on_pipe(self, child: ChildProcess, name: str) -> None:
        if child not in self._owners:
            return
        data = child.read_pipe(name, _PIECE)
        if data:
            self._owners[child].wrote(child, name, data)
        if not data or len(data) > _PIECE // 2:
            self._selector.unregister(child.pipes[name])
        if len(data) > _PIECE // 2:
            self.at(monotonic() + _PAUSE, lambda: self._watch_pipe(child, name))

    def _on_socket(self, child: ChildProcess, mask: int) -> None:
        if child not in self._owners:
            return
        if mask & selectors.EVENT_WRITE:
            child.write()
        if mask & selectors.EVENT_READ:
            self._hear(child, child.read())
            if child.ended:
                self._bury(child)

    def _hear(self, child: ChildProcess, messages: list[Upward]) -> None:
        owner = self._owners[child]
        rest: list[Upward] = []
        for message in messages:
            if isinstance(message, Ready):
                self._ready(child, message)
            elif isinstance(message, Worn):
                child.leaving = True
                logger.info("child %d is replaced: %s", child.pid, message.why)
            else:
                rest.append(message)
        owner.said(child, rest)

    def _ready(self, child: ChildProcess, message: Ready) -> None:
        if message.error is None:
            self.tasks = frozenset(message.tasks)
            child.ready = True
        else:
            self.error = RemoteError.from_json(message.error).summary
            logger.error("child %d could not start: %s", child.pid, self.error)
        self._tried.set()

    def _bury(self, child: ChildProcess) -> None:
        """The child is dead, or has closed its end and is about to be."""
        if child not in self._owners:
            return
        how = child.death()
        while (messages := child.read()) or not child.ended:
            if not messages:
                break  # something it started has the socket, too
            self._hear(child, messages)
        owner = self._owners.pop(child)
        for name in child.pipes:
            owner.wrote(child, name, child.read_pipe(name))
            owner.wrote(child, name, b"")
        self._forget(child)
        if not child.ready:
            self.error = self.error or f"it {how}"
            self._tried.set()
        owner.died(child, how)
        child.close()
        if not self._owners:
            self._all_gone.set()

    def _forget(self, child: ChildProcess) -> None:
        watched = self._selector.get_map()
        for file in (child.socket, child.pidfd, *child.pipes.values()):
            if file is not None and file in watched:
                self._selector.unregister(file)


def importable(module: str) -> str:
    """The name under which a child can import a module, see `module_name`."""
    name = module_name(module)
    if name == "__main__":
        msg = "the tasks are defined in an interactive session, which a child process cannot import"
        raise UsageError(msg)
    return name


def _path() -> list[str]:
    """`sys.path`, as a process started in the same folder would see it."""
    return [entry or os.getcwd() for entry in sys.path]
