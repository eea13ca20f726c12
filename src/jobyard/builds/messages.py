"""A log line of a build, as `logging` has it, with the names of ours and of jobcontrol besides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from jobyard.model.instants import from_micros
from jobyard.store.buildlog import LineRow

__all__ = ["LogMessage"]

_SECOND = 1_000_000


class LogMessage(logging.LogRecord):
    """
    A line of the log of a build: a record that formatters and handlers take.

    The arguments are reprs, and are in the message already. What is not stored is None: the number of the thread, the
    name of the process, the exception itself.

    Attributes:
        id: of the line, over all builds.
        build_id: of the build.
        serial: counts the lines of the build from 1.
        op: the index of the op that was at work.
        at: when, as an aware datetime; `created` is the same in seconds since the epoch.
        level: as `levelno`.
        logger: as `name`.
        traceback: the text of the traceback, if the record had one; also `exc_text` and `exception_tb`.
        data: what else is stored of the record.
    """

    def __init__(self, row: LineRow) -> None:
        data: dict[str, Any] = msgspec.json.decode(row.data) if row.data else {}
        path, line = data.get("path") or "", data.get("line") or 0
        message = data.get("template", row.message)
        super().__init__(row.logger, row.level, path, line, message, None, None, func=data.get("function"))
        self.id = row.id
        self.build_id = row.job
        self.serial = row.serial
        self.op = row.op
        self.at: datetime = from_micros(row.at)
        self.level = row.level
        self.level_name = self.levelname
        self.logger = row.logger
        self.message = row.message
        self.traceback = self.exc_text = self.exception_tb = row.traceback
        self.exception = None
        self.function = data.get("function")
        self.data: Mapping[str, Any] = data
        self._place(row.at, data)

    def _place(self, at: int, data: Mapping[str, Any]) -> None:
        """What the base class says of this moment and this process, as it was then and there."""
        args = data.get("args", ())
        self.args = args if isinstance(args, dict) else tuple(args)
        self.created = at / _SECOND
        self.msecs = at % _SECOND / 1000
        self.relativeCreated = self.relative_created = 0.0
        self.process = data.get("process")
        self.thread = self.processName = self.process_name = None
        self.threadName = self.thread_name = data.get("thread")

    def getMessage(self) -> str:
        """The message with its arguments."""
        return self.message
