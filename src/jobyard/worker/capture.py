"""
What a running task says: log records and prints, kept for its job.

Rule 1: a line belongs to the run that the context variable names at that moment, whatever thread it comes from.
Rule 2: what is kept is bounded: of too many lines the head and the tail.
Rule 3: the library's own lines are never among them.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TextIO, cast

from jobyard.context import current_run
from jobyard.model.logline import LONGEST, line_of
from jobyard.model.messages import LogLine
from jobyard.model.text import escape, shorten

__all__ = ["Capture", "LogBook", "PrintBuffer", "printed_line"]

_OVERHEAD = 100
"""What a line weighs besides its text."""


class LogBook:
    """
    The lines of one attempt. The first half of what is allowed is given out as it comes, the last half at the end.

    Thread-safe: lines come from the task's threads and are taken by the watchdog.

    Args:
        ahead: as in `Run`. Lines come with instants of this machine's clock, and are kept with the store's.
    """

    def __init__(self, max_lines: int, max_bytes: int, ahead: int) -> None:
        self._lock = threading.Lock()
        self._ahead = ahead
        self._lines_left = max_lines - max_lines // 2
        self._bytes_left = max_bytes - max_bytes // 2
        self._tail_lines = max_lines // 2
        self._tail_bytes = max_bytes // 2
        self._head: list[LogLine] = []
        self._tail: deque[LogLine] = deque()
        self._tail_size = 0
        self.dropped = 0

    def add(self, line: LogLine) -> None:
        """Keep a line, at the cost of one in the middle once there are too many."""
        size = _weight(line)
        line.at -= self._ahead
        with self._lock:
            if self._lines_left > 0 and self._bytes_left >= size and not self._tail:
                self._lines_left -= 1
                self._bytes_left -= size
                self._head.append(line)
            else:
                self._tail.append(line)
                self._tail_size += size
                self._trim()

    def take(self) -> list[LogLine]:
        """The lines that may be written already, each given once."""
        with self._lock:
            taken, self._head = self._head, []
        return taken

    def rest(self) -> list[LogLine]:
        """All that is left, at the end of the attempt; `dropped` is then the number of those that are lost."""
        with self._lock:
            rest = [*self._head, *self._tail]
            self._head = []
            self._tail.clear()
            self._tail_size = 0
        return rest

    def _trim(self) -> None:
        while self._tail and (len(self._tail) > self._tail_lines or self._tail_size > self._tail_bytes):
            self._tail_size -= _weight(self._tail.popleft())
            self.dropped += 1


class Capture:
    """What is put in place while a host runs, and taken away after it."""

    def __init__(self, shop: object, level: int | None, prints: Callable[[Any], str | None] | None) -> None:
        """
        Args:
            shop: the `shop` of the runs whose records are taken: two hosts may live in one process.
            level: from which on records are taken, unless somebody has set another for the root logger or the one
                that logs; None leaves all levels alone. Handlers that are there get what they always got.
            prints: the logger under which the prints of a run are stored, see `Printed`; None: nobody wants them.
        """
        self._shop = shop
        self._level = level
        self._prints = prints
        self._handler: CaptureHandler | None = None
        self._stdout: TextIO | None = None

    def install(self) -> None:
        root = logging.getLogger()
        bare = not root.handlers
        self._handler = CaptureHandler(self._shop, alone=bare)
        root.addHandler(self._handler)
        if self._level is not None:
            _talkative.enter(self._level)
        if self._prints is not None:
            self._stdout = sys.stdout
            sys.stdout = cast(TextIO, Printed(sys.stdout, self._prints))

    def uninstall(self) -> None:
        """Take all of it away; a second time does nothing."""
        handler, self._handler = self._handler, None
        if handler is None:
            return
        logging.getLogger().removeHandler(handler)
        if self._level is not None:
            _talkative.leave()
        if isinstance(sys.stdout, Printed) and self._stdout is not None:
            sys.stdout = self._stdout


class _Talkative:
    """The level of the root logger while records are captured, by however many hosts there are in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._before: int | None = None
        self._quiet: list[logging.Handler] = []

    def enter(self, level: int) -> None:
        """Lower the level, unless somebody has set one; handlers that are there get what they always got."""
        root = logging.getLogger()
        with self._lock:
            self._count += 1
            if self._count > 1 or root.level != logging.WARNING:
                return
            self._before = root.level
            self._quiet = [handler for handler in root.handlers if not isinstance(handler, CaptureHandler)]
            for handler in self._quiet:
                handler.addFilter(_was_logged_before)
            root.setLevel(level)

    def leave(self) -> None:
        """The last one to leave restores it."""
        with self._lock:
            self._count -= 1
            if self._count or self._before is None:
                return
            logging.getLogger().setLevel(self._before)
            self._before = None
            for handler in self._quiet:
                handler.removeFilter(_was_logged_before)


_talkative = _Talkative()


def _was_logged_before(record: logging.LogRecord) -> bool:
    """Whether a record would have come to the handlers of the root logger with that at its usual level."""
    if record.levelno >= logging.WARNING:
        return True
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and not logger.level:
        logger = logger.parent
    return logger is not None and logger.parent is not None


class CaptureHandler(logging.Handler):
    """
    Gives each record to the run it comes from. It locks nothing: an interrupt could come while the lock is held.

    Args:
        alone: it is the only handler; without it the warnings of other code would have gone to stderr, and still do.
    """

    def __init__(self, shop: Any, *, alone: bool) -> None:
        super().__init__()
        self._shop = shop
        self._alone = alone

    def createLock(self) -> None:
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        run: Any = current_run.get()
        if run is None or _own(record.name):
            if self._alone and logging.lastResort is not None and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return
        if run.shop is not self._shop:
            return
        try:
            run.log(line_of(record, run.index, self._shop.options.mask))
        except Exception:  # as logging does it: a record that cannot be formatted stops nobody
            self.handleError(record)


class Printed:
    """
    Stands for `sys.stdout` or `sys.stderr`: what a run of a task prints becomes lines of its log.

    No class of `io`: those close the stream when they are collected.

    Args:
        stream: where everything else goes.
        logger: the name under which lines are stored, by run; None: this run's prints go to the stream.
    """

    def __init__(self, stream: TextIO, logger: Callable[[Any], str | None], level: int = logging.INFO) -> None:
        self.stream = stream
        self._logger = logger
        self._level = level

    def write(self, text: str) -> int:
        run: Any = current_run.get()
        logger = None if run is None else self._logger(run)
        if logger is None:
            return self.stream.write(text)
        run.print(logger, self._level, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class PrintBuffer:
    """Puts what is printed piece by piece together to lines."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, int], str] = {}

    def add(self, logger: str, level: int, text: str) -> list[str]:
        """The lines that are complete now."""
        key = (logger, level)
        *lines, rest = (self._parts.get(key, "") + text).split("\n")
        if len(rest) > LONGEST:
            lines.append(rest)
            rest = ""
        self._parts[key] = rest
        return lines

    def rest(self) -> list[tuple[str, int, str]]:
        """What was printed without a line break at its end."""
        parts, self._parts = self._parts, {}
        return [(logger, level, text) for (logger, level), text in parts.items() if text]


def printed_line(op: int, logger: str, level: int, text: str) -> LogLine:
    """The line of a log that stands for a printed one."""
    return LogLine(op, time.time_ns() // 1000, level, logger, shorten(escape(text), LONGEST))


def _own(name: str) -> bool:
    """Whether a logger is the library's."""
    return name.startswith("jobyard") and name[7:8] in ("", ".")


def _weight(line: LogLine) -> int:
    return len(line.message) + len(line.traceback or "") + len(line.data or "") + _OVERHEAD
