"""
Jobs with `isolation="process"`: each alone in the main thread of a child, which is used again if the job left no trace.

The child stops its job by itself, as any host does. The parent comes after it, for code that holds the interpreter:
with SIGINT, which some such code looks for, and in the end with SIGKILL.
"""

from __future__ import annotations

from time import monotonic

from jobyard.errors import JobTimeout
from jobyard.model.messages import Cancel, Deadline, Ended, Outcome, Upward
from jobyard.model.traceback import StackTrace, capture, class_names, encode
from jobyard.worker.child_host import Parent
from jobyard.worker.execute import stopped
from jobyard.worker.process import ChildProcess, Held

__all__ = ["IsolatedHost"]

_MARGIN = 0.5
"""Seconds that a child has for stopping its job before the parent lends a hand."""


class IsolatedHost(Parent):
    """A pool of children, as many as there are slots, started as they are needed."""

    isolated = True

    def said(self, child: ChildProcess, messages: list[Upward]) -> None:
        if any(isinstance(message, Outcome) for message in messages):
            self._drain(child)
        super().said(child, messages)

    def _dispatch(self) -> None:
        for child in self._children:
            free = not child.held and child not in self._unwritten.values()
            if self._line and child.ready and not child.leaving and free:
                self._give(child)
        wanted = min(len(self._line), self.slots - sum(not child.leaving for child in self._children))
        while self._starting + self._unready() < wanted and not self._stopping:
            self._spawn()

    def _unready(self) -> int:
        return sum(not child.ready and not child.leaving for child in self._children)

    def _give(self, child: ChildProcess) -> None:
        run = self._line.popleft()
        child.give([run])
        self._all.write_later(child)
        if run.timeout is not None:
            held = child.held[run.row.id, run.row.epoch]
            self._all.at(monotonic() + run.timeout + _MARGIN, lambda: self._press(child, held, "timeout"))

    def _canceled(self, child: ChildProcess, held: Held, cancel: Cancel) -> None:
        self._all.at(monotonic() + cancel.grace + _MARGIN, lambda: self._press(child, held, cancel.why))

    def _press(self, child: ChildProcess, held: Held, why: str) -> None:
        """The run should have stopped by now."""
        if child.held.get(held.key) is not held or held.why is not None:
            return
        held.why = why
        child.interrupt()
        self._all.at(monotonic() + self._all.options.give_up, lambda: self._kill(child, held))

    def _kill(self, child: ChildProcess, held: Held) -> None:
        if child.held.get(held.key) is held:
            if held.why == "timeout" and held.stack is None:
                self._all.say([Deadline(*held.key)])
            child.kill()

    def _epitaph(self, child: ChildProcess, held: Held, how: str) -> Outcome:
        outcome = super()._epitaph(child, held, how) if held.why is None else self._forced(held, held.why, how)
        outcome.seconds = monotonic() - held.given  # it runs at once, since nothing else runs there
        return outcome

    def _forced(self, held: Held, why: str, how: str) -> Outcome:
        outcome = Outcome(*held.key, held.op, stopped(why))
        if outcome.ended == Ended.TIMEOUT:
            text = f"ran longer than its timeout of {held.run.timeout:g} s and would not stop: the child process {how}"
            error = JobTimeout(text)
            frames = [] if held.stack is None else StackTrace.from_json(held.stack).data["frames"]
            outcome.error = encode({**capture(error), "frames": frames})
            outcome.types = class_names(error)
        return outcome

    def _replace(self, child: ChildProcess) -> None:
        """Let go what is worn; others are started as they are needed."""
        if child in self._children and not child.dismissed:
            self._dismiss(child)

    def _drain(self, child: ChildProcess) -> None:
        """What a job wrote before its end is in the pipe by now."""
        for stream in child.pipes:
            if data := child.read_pipe(stream):
                self.wrote(child, stream, data)
            self.wrote(child, stream, b"")
