"""
What a worker says on stderr: log lines, and on a terminal a live line below them.

What happens goes through `logging`, under the name ``jobyard``. An application that has set up logging of its own gets
it there; otherwise it is shown here.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from jobyard.cli import format, output
from jobyard.cli.worker.ticker import Ticker
from jobyard.model.events import Happening, WorkerStarted

if TYPE_CHECKING:
    from rich.text import Text

    from jobyard.worker import Worker
    from jobyard.yard import Yard

__all__ = ["Display", "LiveLine", "PlainLines", "open_display"]

_log = logging.getLogger("jobyard.worker")
_STYLES = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "red", logging.CRITICAL: "bold red"}
_REFRESH = 0.25
_COUNT_EVERY = 2.0
_FLOOD = 50
"""Lines of a quarter of a second that a terminal shows; of more only those from WARNING on."""
_RATE_OVER = 5.0


class Display(Protocol):
    """Where the lines of a worker go."""

    def say(self, text: str, level: int = logging.INFO) -> None: ...


@contextmanager
def open_display(yard: Yard, worker: Worker) -> Iterator[Display]:
    """Show what happens until the block ends."""
    live = sys.stderr.isatty()
    lowest = logging.getLevelNamesMapping()[yard.settings.log_level]
    with ExitStack() as stack:
        display: Any = stack.enter_context(LiveLine(yard, worker)) if live else PlainLines()
        stack.enter_context(_logged(display, lowest))
        for kind in _kinds(Happening):
            if kind.level >= lowest and kind is not WorkerStarted:
                stack.callback(yard.emitter.on(kind, _tell))
        yield display


def _tell(happening: Happening) -> None:
    _log.log(happening.level, "%s", happening)


def _kinds(kind: type[Happening]) -> Iterator[type[Happening]]:
    """The classes that things are: subscribing to a base would make even those that nobody is shown."""
    for derived in kind.__subclasses__():
        if derived.__subclasses__():
            yield from _kinds(derived)
        else:
            yield derived


@contextmanager
def _logged(display: Display, lowest: int) -> Iterator[None]:
    logger = logging.getLogger("jobyard")
    if logging.getLogger().handlers or logger.handlers:
        yield
        return
    handler = _Handler(display)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(lowest)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


class _Handler(logging.Handler):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
        self._display.say(text, record.levelno)


class PlainLines:
    """Each line at once, with time and level."""

    def say(self, text: str, level: int = logging.INFO) -> None:
        output.warn(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {logging.getLevelName(level):8} {text}")


class LiveLine:
    """Lines as they come, four times a second, above one that counts."""

    def __init__(self, yard: Yard, worker: Worker) -> None:
        from rich.live import Live

        self._yard = yard
        self._worker = worker
        self._lock = threading.Lock()
        self._lines: list[tuple[float, str, int]] = []
        self._console = output.stderr_console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._ticker = Ticker("display", _REFRESH, self.tick)
        self._ready: int | None = None
        self._counted_at = float("-inf")
        self._ends: list[tuple[float, int]] = []

    def __enter__(self) -> LiveLine:
        self._live.__enter__()
        self._ticker.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ticker.__exit__()
        self._flush()
        self._live.__exit__(None, None, None)

    def say(self, text: str, level: int = logging.INFO) -> None:
        with self._lock:
            self._lines.append((time.time(), text, level))

    def tick(self) -> None:
        """Show what has come."""
        self._flush()
        self._live.update(self._line(), refresh=True)

    def _flush(self) -> None:
        from rich.text import Text

        with self._lock:
            lines, self._lines = self._lines, []
        shown = [line for line in lines if line[2] >= logging.WARNING] if len(lines) > _FLOOD else lines
        if not lines:
            return
        text = Text("\n").join([_coloured(*line) for line in shown])
        if hidden := len(lines) - len(shown):
            text.append(f"{chr(10) if shown else ''}… and {format.plural(hidden, 'line')} more", "dim")
        self._console.print(text)

    def _line(self) -> Text:
        from rich.text import Text

        now = time.monotonic()
        done = self._worker.done
        ended = done.succeeded + done.failed + done.skipped + done.canceled
        parts = [("▶ ", "bold blue"), (f"{self._worker.running} running", "bold")]
        if (ready := self._count(now)) is not None:
            parts.append((f"  {ready:,} queued", "cyan"))
        parts.append((f"  {done.succeeded:,} succeeded", "green"))
        for name, style in (("failed", "bold red"), ("retried", "yellow"), ("skipped", "dim"), ("canceled", "dim")):
            if count := getattr(done, name):
                parts.append((f"  {count:,} {name}", style))
        parts.append((f"  {self._rate(now, ended)}", "dim"))
        if self._worker.stopping:
            parts.append(("  stopping (Ctrl-C again: at once)", "bold yellow"))
        line = Text.assemble(*parts, no_wrap=True)
        line.truncate(self._console.width - output.ECHO, overflow="ellipsis")
        return line

    def _count(self, now: float) -> int | None:
        """How many jobs are ready, of all queues; counted seldom, and not at all while the store is busy."""
        if now - self._counted_at >= _COUNT_EVERY:
            self._counted_at = now
            self._ready = _count_ready(self._yard)
        return self._ready

    def _rate(self, now: float, ended: int) -> str:
        self._ends.append((now, ended))
        while len(self._ends) > 2 and now - self._ends[0][0] > _RATE_OVER:
            del self._ends[0]
        (first, before), (last, after) = self._ends[0], self._ends[-1]
        return format.rate(after - before, last - first)


def _count_ready(yard: Yard) -> int | None:
    from jobyard.errors import StoreError

    try:
        with yard.store.read() as tx:
            return yard.store.jobs.count_ready(tx)
    except StoreError:
        return None


def _coloured(at: float, text: str, level: int) -> Text:
    from rich.text import Text

    return Text.assemble((time.strftime("%H:%M:%S ", time.localtime(at)), "dim"), (text, _STYLES.get(level, "")))
