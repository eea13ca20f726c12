"""A record of `logging` as a line of a job's log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from jobyard.model.instants import to_micros
from jobyard.model.messages import LogLine
from jobyard.model.text import escape, shorten
from jobyard.model.traceback.masks import masks
from jobyard.model.traceback.reprs import Reprs

__all__ = ["HIGHEST_LEVEL", "LONGEST", "line_of"]

LONGEST = 100_000
"""Characters of one message."""

HIGHEST_LEVEL = 2**31 - 1
"""A level beyond it, which nobody uses, is stored as it."""

_FIRST, _LAST = (to_micros(end.replace(tzinfo=UTC)) for end in (datetime.min, datetime.max))
_formatter = logging.Formatter()


def line_of(record: logging.LogRecord, op: int, mask: tuple[str, ...]) -> LogLine:
    """The line that stands for a record. Its arguments become reprs, with what looks secret hidden by *mask*."""
    return LogLine(
        op=op,
        at=_instant(record.created),
        level=_level(record.levelno),
        logger=escape(str(record.name or "")),
        message=shorten(escape(_message(record, mask)), LONGEST),
        traceback=_traceback(record),
        data=_data(record, mask),
    )


def _instant(created: float) -> int:
    """When a record was made, as far as the calendar goes: whoever makes one may say anything."""
    return int(max(_FIRST, min(created * 1_000_000, _LAST)))


def _level(level: Any) -> int:
    """The level as the store takes it; `logging.makeLogRecord` makes records without one."""
    if not isinstance(level, int):
        return logging.NOTSET
    return max(-HIGHEST_LEVEL, min(level, HIGHEST_LEVEL))


def _message(record: logging.LogRecord, mask: tuple[str, ...]) -> str:
    """The message with its arguments; where these do not fit, as it was written."""
    try:
        return record.getMessage()
    except Exception:  # of the repr of an argument anything may come
        return record.msg if isinstance(record.msg, str) else Reprs(masks(mask)).of(record.msg)


def _traceback(record: logging.LogRecord) -> str | None:
    """What a formatter would write below the message."""
    error = record.exc_text
    if record.exc_info and record.exc_info[0] is not None:
        error = _formatter.formatException(record.exc_info)
    text = "\n".join(filter(None, (error, record.stack_info)))
    return shorten(escape(text), LONGEST) if text else None


def _data(record: logging.LogRecord, mask: tuple[str, ...]) -> str:
    data: dict[str, Any] = {
        "path": record.pathname,
        "line": record.lineno,
        "function": record.funcName,
        "module": record.module,
        "process": record.process,
        "thread": record.threadName,
    }
    if record.args:
        data["template"] = shorten(escape(str(record.msg)), LONGEST)
        data["args"] = _reprs(record.args, mask)
    return msgspec.json.encode(data).decode()


def _reprs(args: Any, mask: tuple[str, ...]) -> Any:
    reprs = Reprs(masks(mask))
    if isinstance(args, dict):
        return {escape(str(name)): reprs.named(str(name), value) for name, value in args.items()}
    return [reprs.of(value) for value in (args if isinstance(args, tuple) else (args,))]
