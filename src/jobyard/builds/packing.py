"""
Values as text, and back: tagged JSON, with a tag more for an exception and one for what could not be stored.

No data of a user's has these tags: a dict that looks like one is stored as pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import msgspec

from jobyard.errors import BadArguments
from jobyard.model import codec
from jobyard.model.shapes import Mismatch
from jobyard.model.text import escape, shorten
from jobyard.model.traceback import ErrorData, RemoteError, capture, encode
from jobyard.model.traceback.masks import masks
from jobyard.model.traceback.reprs import Reprs

__all__ = ["Placeholder", "bare", "captured", "pack", "pack_exception", "unpack"]

_ERROR = '{"$error":'
_PLACEHOLDER = '{"$placeholder":'
_BARE = ("type", "message", "args", "values", "notes")
_LONGEST = 1000


@dataclass(frozen=True)
class Placeholder:
    """Stands for a value that could not be stored or read; `text` is its repr, or says what is wrong."""

    text: str

    def __str__(self) -> str:
        return self.text


def pack(value: Any, *, safe: bool) -> str:
    """
    A value as text.

    Raises:
        BadArguments: it cannot be stored, and *safe* is false.
    """
    try:
        return codec.pack(value)
    except BadArguments:
        if not safe:
            raise
        text = Reprs(masks(())).of(value)
        return _tagged(_PLACEHOLDER, shorten(escape(text), _LONGEST))


def pack_exception(exception: BaseException, mask: Sequence[str]) -> str:
    """An exception as text, without its traceback."""
    return _tagged(_ERROR, bare(captured(exception, None, mask)))


def unpack(text: str | bytes, *, safe: bool) -> Any:
    """
    What was packed; an exception as a `RemoteError`.

    Raises:
        BadArguments: it is not the text of a packed value, and *safe* is false.
    """
    try:
        return _unpacked(text.decode() if isinstance(text, bytes) else text)
    except (Mismatch, ValueError, RecursionError, TypeError, AttributeError) as error:
        msg = f"not the text of a packed value: {error}"
        if not safe:
            raise BadArguments(msg) from None
        return Placeholder(msg)


def captured(exception: BaseException, traceback: TracebackType | RemoteError | None, mask: Sequence[str]) -> ErrorData:
    """An exception with all that hangs on it; *traceback*, if one is given, in place of its own."""
    if isinstance(exception, RemoteError):
        data = exception.data
    elif isinstance(traceback, TracebackType):
        data = _captured_with(exception, traceback, mask)
    else:
        data = capture(exception, mask=mask)
    return traceback.data | bare(data) if isinstance(traceback, RemoteError) else data


def bare(data: ErrorData) -> ErrorData:
    """The exception alone: no frames, and nothing of what came before."""
    return {key: data[key] for key in _BARE if key in data}  # type: ignore[literal-required, return-value]


def _captured_with(exception: BaseException, traceback: TracebackType, mask: Sequence[str]) -> ErrorData:
    own = exception.__traceback__
    try:
        return capture(exception.with_traceback(traceback), mask=mask)
    finally:
        exception.__traceback__ = own


def _unpacked(text: str) -> Any:
    if text.startswith((_ERROR, _PLACEHOLDER)):
        match msgspec.json.decode(text):
            case {"$error": dict(data), **rest} if not rest:
                return RemoteError(cast(ErrorData, data))
            case {"$placeholder": str(shown), **rest} if not rest:
                return Placeholder(shown)
    return codec.unpack(text)


def _tagged(tag: str, data: Any) -> str:
    return f"{tag}{encode(data)}}}"
