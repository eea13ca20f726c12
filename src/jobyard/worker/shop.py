"""What all runs of a host share: tasks, codec, link, settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from jobyard.context import Link
from jobyard.model.codec import Codec, Signature, decode_any
from jobyard.worker.calls import Calls

__all__ = ["HostOptions", "RunTask", "Workshop"]


class RunTask(Protocol):
    """What a host needs of a task."""

    @property
    def name(self) -> str: ...
    @property
    def function(self) -> Callable[..., Any]: ...
    @property
    def is_async(self) -> bool: ...
    @property
    def signature(self) -> Signature: ...
    @property
    def log_prints(self) -> bool: ...


class HostOptions(msgspec.Struct, frozen=True):
    """
    The settings that hosts need, in this process and in children.

    Attributes:
        max_lines, max_bytes: `max_log`, of one attempt.
        mask: more names whose values are hidden in tracebacks.
        max_payload: the largest result, in bytes.
        log_level: what the root logger is set to where nobody has configured logging; None leaves it alone.
        give_up: seconds between the forced stop of a run and giving it up.
        max_jobs, max_memory: what a child serves, and the bytes it may have, before it is replaced.
    """

    max_lines: int = 10_000
    max_bytes: int = 8 * 2**20
    mask: tuple[str, ...] = ()
    max_payload: int = 2**20
    log_level: int | None = logging.INFO
    give_up: float = 5.0
    max_jobs: int | None = None
    max_memory: int | None = None


@dataclass(frozen=True)
class Workshop:
    """What all runs of a host share."""

    tasks: Mapping[str, RunTask]
    codec: Codec
    link: Link
    options: HostOptions
    calls: Calls

    def encode(self, task: RunTask, value: Any) -> str | None:
        """The result as it is stored."""
        return self.codec.encode_result(task.signature, value, self.options.max_payload)

    def result(self, task: str, text: str | None) -> Any:
        """The value of another op, by the annotations of its task where that is known here."""
        known = self.tasks.get(task)
        return decode_any(text) if known is None else self.codec.decode_result(known.signature, text)
