"""One run of a claimed job, from the begin of its first op to the end of its last."""

from __future__ import annotations

import math
from time import monotonic, sleep
from types import FrameType
from typing import Any, Protocol

from jobyard.context import Finish, Parent
from jobyard.errors import CancelJob, StaleRun, UsageError
from jobyard.model.definition import GOOD
from jobyard.model.messages import Beat, Deadline, Lines, LogLine, Outcome, Reply, Run, StackTaken, Upstream
from jobyard.model.progress import Group, ProgressBook
from jobyard.model.text import escape
from jobyard.model.traceback import capture_stack, encode
from jobyard.worker.calls import refusal
from jobyard.worker.capture import LogBook, PrintBuffer, printed_line
from jobyard.worker.shop import Workshop

__all__ = ["FLUSH_EVERY", "Attempt", "Carrier", "Key"]

Key = tuple[int, int]
"""(id, epoch) of a run."""

FLUSH_EVERY = 0.2
"""Seconds between two writes of log lines, progress and beats of one run."""

_PATIENCE = 2.0

_RANK = {None: 0, "drain": 1, "timeout": 2, "cancel": 3, "lost": 4}


class Alarm(Protocol):
    """Who looks after runs when something of theirs is due."""

    def soon(self, when: float) -> None: ...


class Carrier(Protocol):
    """What a run runs on: a thread, or the event loop. The loop has number 0, threads count from 1."""

    number: int

    def told(self, attempt: Attempt) -> None:
        """The run is to stop; its flag is up."""

    def interrupt(self, attempt: Attempt) -> None:
        """Stop it by force, if it still runs."""

    def give_up(self, attempt: Attempt) -> bool:
        """Go on without it; False if it has ended meanwhile."""

    def stack(self, attempt: Attempt) -> Any:
        """What `capture_stack` is to look at."""


class Attempt:
    """The state of one run; the object behind `ctx`."""

    # What few runs ever have lives in these defaults, so that beginning a run costs only what every run needs.
    why: str | None = None
    """Why it is to stop: the `why` of `Cancel`, or ``timeout``."""
    late: str | None = None
    """What the error of a timeout says."""
    canceling = False
    forced = False
    spoke = False
    given_up = False
    ended = False
    unwritten = False
    """It has ended, and its slot waits until that is stored."""
    force_at = math.inf
    give_up_at = math.inf
    deadline = math.inf
    flush_at = math.inf
    beaten_at = 0.0
    task: Any = None
    """The asyncio task, of a coroutine."""
    result_status: str | None = None
    finished: Finish | None = None
    """What `ctx.finish` wrote for the op that runs."""
    began = 0
    """When the code of the op began, in microseconds."""
    logtail: str | None = None
    _beat = False
    _unsaid: tuple[StackTaken | Deadline, ...] = ()
    _job: Any = None
    _book: LogBook | None = None
    _prints: PrintBuffer | None = None
    _progress: ProgressBook | None = None

    def __init__(self, run: Run, carrier: Carrier, shop: Workshop, watchdog: Alarm) -> None:
        self.run = run
        self.index = run.row.cursor
        self.carrier = carrier
        self.shop = shop
        self.watchdog = watchdog

    @property
    def key(self) -> Key:
        return self.run.row.id, self.run.row.epoch

    # What the task sees, through `ctx`.

    @property
    def number(self) -> int:
        return self.run.row.attempt

    @property
    def job(self) -> Any:
        if self._job is None:
            self._job = self.shop.link.make_job(self.run.row, self.run.ops)
        return self._job

    @property
    def op(self) -> Any:
        return self.job.ops[self.index]

    def check_canceled(self) -> None:
        if self.canceling:
            msg = f"the job is to stop ({self.why})"
            raise CancelJob(msg)

    def report(self, group: Group, current: float, total: float | None, status: str) -> None:
        if self._progress is None:
            self._progress = ProgressBook()
        self._progress.report(current, total, group, status)
        self._spoke()

    def beat(self, logtail: str) -> None:
        self.logtail = escape(logtail)
        self._beat = True
        self._spoke()

    def enqueue(self, ops: tuple[Any, ...], connection: Any, options: dict[str, Any]) -> Any:
        link = self.shop.link
        if connection is not None:
            return link.enqueue(connection, ops, options, Parent(*self.key))
        return self._stored(self.shop.calls.ask(self.key, [link.new_job(ops, options)], self._check_held))

    async def aenqueue(self, ops: tuple[Any, ...], connection: Any, options: dict[str, Any]) -> Any:
        link = self.shop.link
        if connection is not None:
            return await link.aenqueue(connection, ops, options, Parent(*self.key))
        return self._stored(await self.shop.calls.aask(self.key, [link.new_job(ops, options)], self._check_held))

    def finish(self, result: Any, connection: Any) -> None:
        finish = self._finish(result)
        self.shop.link.finish(connection, finish)
        self.finished = finish

    async def afinish(self, result: Any, connection: Any) -> None:
        finish = self._finish(result)
        await self.shop.link.afinish(connection, finish)
        self.finished = finish

    def _check_held(self) -> None:
        if self.why == "lost" or self.given_up or self.ended:
            raise StaleRun(refusal(self.key)[1])

    def _stored(self, reply: Reply) -> Any:
        return self.shop.link.stored(reply.rows[0], reply.existing[0])

    def _finish(self, result: Any) -> Finish:
        if self.result_status is not None and self.result_status not in GOOD:
            msg = f"ctx.finish ends the job as a success, but ctx.result_status is {self.result_status}: raise instead"
            raise UsageError(msg)
        return Finish(
            row=self.run.row,
            op=self.index,
            result=self.shop.encode(self.shop.tasks[self.task_name()], result),
            last=self.index + 1 == self.run.row.op_count,
            result_status=self.result_status,
            began=self.began,
        )

    # What it says, collected and written together.

    def log(self, line: LogLine) -> None:
        """Keep a line of its log."""
        if self._book is None:
            self._book = LogBook(self.shop.options.max_lines, self.shop.options.max_bytes, self.run.ahead)
        self._book.add(line)
        self._spoke()

    def print(self, logger: str, level: int, text: str) -> None:
        """Keep what its code prints, by lines."""
        self.spoke = True
        if self._prints is None:
            self._prints = PrintBuffer()
        for line in self._prints.add(logger, level, text):
            self.log(printed_line(self.index, logger, level, line))

    def flush(self) -> Upstream:
        """What it has said since the last time."""
        self.flush_at = math.inf
        messages = self._take_unsaid()
        if self._beat:
            self._beat = False
            messages.append(Beat(*self.key, self.logtail))
        lines = self._book.take() if self._book else []
        progress = self._progress.take(monotonic()) if self._progress else []
        if lines or progress:
            messages.append(Lines(*self.key, lines, progress=progress))
        return messages

    def close(self, outcome: Outcome) -> Upstream:
        """Put the last lines and figures into the outcome, and return what is to be said before it."""
        outcome.result_status = self.result_status
        outcome.logtail = self.logtail
        if self._progress:
            outcome.progress = self._progress.take(monotonic())
        if self._prints:
            for logger, level, text in self._prints.rest():
                self.log(printed_line(self.index, logger, level, text))
        if self._book:
            outcome.lines = self._book.take() if outcome.more else self._book.rest()
            outcome.dropped = 0 if outcome.more else self._book.dropped
        return self._take_unsaid()

    def _take_unsaid(self) -> Upstream:
        unsaid, self._unsaid = self._unsaid, ()
        return [*unsaid]

    def prints_are_logged(self) -> bool:
        task = self.shop.tasks.get(self.task_name())
        return task is not None and task.log_prints

    def task_name(self) -> str:
        """The task of the op that runs."""
        calls = self.run.calls
        return self.run.row.task if calls is None else calls[self.index - calls[0].index].task

    def _spoke(self) -> None:
        now = monotonic()
        self.spoke = True
        self.beaten_at = now
        if self.flush_at == math.inf:
            self.flush_at = now + FLUSH_EVERY
            self.watchdog.soon(self.flush_at)

    # How it is stopped.

    def stop(self, why: str, grace: float) -> None:
        """Raise the flag, and end the run by force after *grace* seconds; the sooner and the weightier stop counts."""
        if _RANK[why] > _RANK[self.why]:
            self.why = why
        self.canceling = True
        self.force_at = min(self.force_at, monotonic() + grace)
        self.give_up_at = min(self.give_up_at, self.force_at + self.shop.options.give_up)
        self.carrier.told(self)
        self.watchdog.soon(self.force_at)

    def expire(self, now: float, stack_of: Any) -> tuple[StackTaken, Deadline]:
        """Its time is up: return what is to be said, before it is stopped; what it then says is its last."""
        if self.deadline <= now:
            self.late = f"ran longer than its timeout of {self.run.timeout:g} s"
        else:
            self.late = f"did not beat within its heartbeat_timeout of {self.run.heartbeat_timeout:g} s"
        stack = encode(capture_stack(stack_of, mask=self.shop.options.mask))
        return StackTaken(0, *self.key, stack), Deadline(*self.key)

    def struck(self, frame: FrameType | None) -> None:
        """
        The parent's signal has come, and the watchdog had no chance: the code held the interpreter.

        This is a signal handler, whose thread may hold any lock: what there is to say waits for the flush.
        """
        now = monotonic()
        if self.why is None and self.expired_at() <= now:
            self._unsaid = self.expire(now, frame)
            self.stop("timeout", 0.0)
            self.spoke = True

    def await_reason(self) -> None:
        """Wait until it is known why it was interrupted: the signal may have come before the message."""
        patience = monotonic() + _PATIENCE
        while self.why is None and monotonic() < patience:
            sleep(0.05)

    def due(self) -> float:
        """When the watchdog is to look at it again."""
        due = min(self.flush_at, self.force_at, self.give_up_at)
        return min(due, self.expired_at())

    def expired_at(self) -> float:
        """When it has run, or been silent, for too long; never again once that is known."""
        if self.late is not None:
            return math.inf
        allowed = self.run.heartbeat_timeout
        return self.deadline if allowed is None else min(self.deadline, self.beaten_at + allowed)
