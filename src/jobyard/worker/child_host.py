"""A child process that runs jobs side by side, with the methods of a `Host`: what `processes=N` is made of."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from itertools import count
from time import monotonic

from jobyard.errors import JobCrashed
from jobyard.model.messages import (
    Abandoned,
    Cancel,
    Died,
    Downstream,
    Ended,
    Enqueue,
    Lines,
    NotBegun,
    Outcome,
    Reply,
    Run,
    Stack,
    StackTaken,
    Stop,
    TakeBack,
    Upward,
    Written,
)
from jobyard.model.traceback import capture, class_names, encode
from jobyard.worker.attempt import FLUSH_EVERY, Key
from jobyard.worker.capture import LogBook, printed_line
from jobyard.worker.children import Children
from jobyard.worker.execute import stopped
from jobyard.worker.process import ChildProcess, Held

__all__ = ["ChildHost", "Parent"]

logger = logging.getLogger("jobyard.worker.children")

_LONGEST_WAIT = 30.0
"""Seconds between two tries to start a child that cannot start."""
_LEVELS = {"stdout": logging.INFO, "stderr": logging.WARNING}

_questions = count(1)


class Parent:
    """
    What the hosts that live in children have in common: a line of runs that no child has yet, and the children.

    A run whose child dies before it began goes back into the line. `take_back` returns those in the line; for those in
    a child `NotBegun` messages follow.
    """

    is_here = False
    isolated = False

    def __init__(self, children: Children, *, slots: int) -> None:
        self.slots = slots
        self._all = children
        self._lock = children.lock
        self._line: deque[Run] = deque()
        self._children: list[ChildProcess] = []
        self._starting = 0
        self._failures = 0
        self._asked: dict[int, tuple[ChildProcess, int]] = {}
        self._unwritten: dict[Key, ChildProcess] = {}
        self._stopping = False

    # For the claimer, from any thread.

    def start(self) -> None:
        """Start the first child."""
        with self._lock:
            self._spawn()

    def run(self, runs: list[Run]) -> None:
        """Run these jobs, in order, as slots are free."""
        with self._lock:
            self._line.extend(runs)
            self._dispatch()

    def tell(self, messages: Downstream) -> None:
        """Act on what the claimer says."""
        with self._lock:
            for message in messages:
                self._tell(message)

    def begun(self, id: int, epoch: int) -> bool:
        """Whether the run is in a slot now."""
        with self._lock:
            return any(held.key == (id, epoch) for child in self._children for held in child.split_held()[0])

    def take_back(self, keys: Iterable[Key] | None = None) -> list[Key]:
        """Those of these runs (None: of all) that no child has yet; others that have not begun follow as `NotBegun`."""
        wanted = None if keys is None else set(keys)
        with self._lock:
            taken = [key for run in self._line if (key := _key(run)) and (wanted is None or key in wanted)]
            self._line = deque(run for run in self._line if _key(run) not in taken)
            for child in self._children:
                self._say_to(child, TakeBack(None if wanted is None else list(wanted)))
        return taken

    def stop(self) -> None:
        """Let what runs come to its end; the children end with it."""
        with self._lock:
            self._stopping = True
            for child in self._children:
                self._dismiss(child)

    @property
    def busy(self) -> int:
        """The runs that have begun and not ended."""
        with self._lock:
            return sum(len(child.split_held()[0]) for child in self._children)

    @property
    def waiting(self) -> int:
        """The runs that wait for a slot."""
        with self._lock:
            return len(self._line) + sum(len(child.split_held()[1]) for child in self._children)

    @property
    def pids(self) -> list[int]:
        with self._lock:
            return [child.pid for child in self._children]

    @property
    def alive(self) -> bool:
        """A child is there that takes runs."""
        with self._lock:
            return any(child.ready and not child.leaving for child in self._children)

    # For `Children`, under its lock.

    def came(self, child: ChildProcess) -> None:
        self._starting -= 1
        self._children.append(child)
        if self._stopping:
            self._dismiss(child)

    def said(self, child: ChildProcess, messages: list[Upward]) -> None:
        self._all.say([said for message in messages if (said := self._heard(child, message)) is not None])
        if child.leaving and not self._stopping:
            self._replace(child)
        self._dispatch()

    def wrote(self, child: ChildProcess, stream: str, data: bytes) -> None:
        lines = child.lines(stream, data)
        if len(child.held) != 1:  # no telling whose it is
            for line in lines:
                logger.info("child %d wrote to %s: %s", child.pid, stream, line)
            return
        (held,) = child.held.values()
        for line in lines:
            self._book(child, held).add(printed_line(held.op, stream, _LEVELS[stream], line))

    def died(self, child: ChildProcess, how: str) -> None:
        self._children.remove(child)
        begun, not_begun = child.split_held()
        if not child.dismissed and all(held.why is None for held in begun):
            self._all.say([Died(child.pid, how, [held.run.row.id for held in begun])])
        for held in begun:
            outcome = self._epitaph(child, held, how)
            _add_lines(outcome, held)
            self._all.say([outcome])
        self._line.extendleft(held.run for held in reversed(not_begun))
        self._failures = 0 if begun or child.leaving else self._failures + 1
        if not self._stopping:
            self._replace(child)
            self._dispatch()

    def _dispatch(self) -> None:
        """Give what is in the line to children that take it."""
        child = next((child for child in self._children if not child.leaving), None)
        if child is not None and self._line:
            runs = list(self._line)
            self._line.clear()
            child.give(runs)
            self._all.write_later(child)

    def _replace(self, child: ChildProcess) -> None:
        """The child is worn or dead: let it go, and start another."""
        if child in self._children and not child.dismissed:
            self._say_to(child, TakeBack())
            self._dismiss(child)
        if not self._starting and all(other.leaving for other in self._children):
            self._spawn()

    def _spawn(self) -> None:
        self._starting += 1
        wait = min(2.0**self._failures, _LONGEST_WAIT) if self._failures else 0.0
        self._all.at(monotonic() + wait, lambda: self._all.spawn(self, slots=self.slots, isolated=self.isolated))

    def _dismiss(self, child: ChildProcess) -> None:
        child.leaving = child.dismissed = True
        self._say_to(child, Stop())

    def _say_to(self, child: ChildProcess, message: Cancel | Stack | Reply | TakeBack | Written | Stop) -> None:
        child.tell([message])
        self._all.write_later(child)

    def _tell(self, message: Run | Cancel | Stack | Reply | TakeBack | Written | Stop) -> None:
        if isinstance(message, Run):
            self.run([message])
        elif isinstance(message, Reply):
            self._answer(message)
        elif isinstance(message, TakeBack):
            self._all.say([NotBegun(*key) for key in self.take_back(message.keys)])
        elif isinstance(message, Written):
            self._written(message)
        elif isinstance(message, Stop):
            self.stop()
        else:
            self._pass_on(message)

    def _written(self, message: Written | Cancel) -> None:
        child = self._unwritten.pop((message.id, message.epoch), None)
        if child is not None and child in self._children:
            self._say_to(child, message)
            self._dispatch()

    def _answer(self, reply: Reply) -> None:
        if (asked := self._asked.pop(reply.call, None)) is not None:
            child, call = asked
            if child in self._children:
                self._say_to(child, Reply(call, reply.rows, reply.existing, reply.error))

    def _pass_on(self, message: Cancel | Stack) -> None:
        key = message.id, message.epoch
        if isinstance(message, Cancel) and message.why == "lost":
            self._written(message)
        for child in self._children:
            if key in child.held:
                self._say_to(child, message)
                if isinstance(message, Cancel):
                    self._canceled(child, child.held[key], message)
                return
        for run in self._line:
            if isinstance(message, Cancel) and _key(run) == key:
                self._line.remove(run)
                self._all.say([Outcome(*key, run.row.cursor, stopped(message.why))])
                return

    def _canceled(self, child: ChildProcess, held: Held, cancel: Cancel) -> None:
        """A run in a child was told to stop."""

    def _heard(self, child: ChildProcess, message: Upward) -> Upward | None:
        """What of a child's message goes on to the claimer."""
        if isinstance(message, (Outcome, Abandoned, NotBegun)):
            held = child.note(message)
            if held is not None and isinstance(message, NotBegun) and child.leaving and not self._stopping:
                self._line.append(held.run)  # another child has it next
                return None
            if held is not None and isinstance(message, Outcome) and not message.more:
                _add_lines(message, held)
                if held.run.sync:
                    self._unwritten[held.key] = child
        elif isinstance(message, Enqueue):
            number = next(_questions)
            self._asked[number] = (child, message.call)
            message.call = number
        elif isinstance(message, StackTaken) and (held := child.held.get((message.id, message.epoch))):
            held.stack = message.stack
        return message

    def _epitaph(self, child: ChildProcess, held: Held, how: str) -> Outcome:
        limit = held.run.memory_limit
        text = f"the child process {child.pid} {how}" + (f" (memory_limit {limit:,} bytes)" if limit else "")
        error = JobCrashed(text)
        return Outcome(*held.key, held.op, Ended.CRASHED, error=encode(capture(error)), types=class_names(error))

    def _book(self, child: ChildProcess, held: Held) -> LogBook:
        if held.book is None:
            held.book = LogBook(self._all.options.max_lines, self._all.options.max_bytes, held.run.ahead)
        if not held.flushing:
            held.flushing = True
            self._all.at(monotonic() + FLUSH_EVERY, lambda: self._flush(child, held))
        return held.book

    def _flush(self, child: ChildProcess, held: Held) -> None:
        held.flushing = False
        if child.held.get(held.key) is held and held.book is not None and (lines := held.book.take()):
            self._all.say([Lines(*held.key, lines)])


class ChildHost(Parent):
    """One child that runs jobs in threads and on an event loop, replaced when it dies or is worn."""


def _key(run: Run) -> Key:
    return run.row.id, run.row.epoch


def _add_lines(outcome: Outcome, held: Held) -> None:
    """Put what the process wrote meanwhile among the lines of the run."""
    if held.book is not None:
        outcome.lines = sorted([*outcome.lines, *held.book.rest()], key=lambda line: line.at)
        outcome.dropped += held.book.dropped
