"""The shape in which an exception is stored."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

__all__ = ["ContextData", "ErrorData", "FrameData", "encode"]


class ContextData(TypedDict):
    """Source lines around the one that ran."""

    start: int
    lines: list[str]


class FrameData(TypedDict, total=False):
    """One frame. `skipped` frames were left out just before it."""

    file: str
    line: int
    function: str
    code: list[str]
    context: ContextData
    locals: dict[str, str]
    skipped: int


class ErrorData(TypedDict, total=False):
    """An exception; `omitted` of its causes or members are left out."""

    type: str
    message: str
    args: list[str]
    values: list[Any]
    notes: list[str]
    frames: list[FrameData]
    syntax: dict[str, Any]
    cause: ErrorData
    context: ErrorData
    suppress: bool
    exceptions: list[ErrorData]
    omitted: int


def encode(data: ErrorData | dict[str, Any]) -> str:
    """The data as it is stored."""
    return msgspec.json.encode(data).decode()
