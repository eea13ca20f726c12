"""The types that are stored as text, by one table for annotated and for tagged values."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import msgspec

__all__ = ["TEXTS"]

_ZONED = re.compile(r"(.*)\[([^\]]+)\]", re.DOTALL)
_SECOND = "[fold=1]"
"""Behind a time that a clock shows twice, where no offset tells that it is the second."""


def _bytes_text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _text_bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _moment_text(value: datetime | time) -> str:
    """ISO 8601; the name of a zone follows in brackets (RFC 9557), since an offset alone does not tell it."""
    key = _key(value.tzinfo)
    text = f"{value.isoformat()}[{key}]" if key else value.isoformat()
    told = key is not None and isinstance(value, datetime)
    return text + _SECOND if value.fold and not told else text


def _key(zone: tzinfo | None) -> str | None:
    if zone is None or isinstance(zone, timezone):
        return None
    from zoneinfo import ZoneInfo  # slow to import, and seldom needed

    return zone.key if isinstance(zone, ZoneInfo) else None


def _zone(key: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _text_datetime(text: str) -> datetime:
    if text.endswith(_SECOND):
        return _text_datetime(text.removesuffix(_SECOND)).replace(fold=1)
    zoned = _ZONED.fullmatch(text)
    return _in_zone(datetime.fromisoformat(zoned[1]), zoned[2]) if zoned else datetime.fromisoformat(text)


def _in_zone(value: datetime, key: str) -> datetime:
    """The same wall clock time in the zone. Where its rules give another offset by now, the instant is kept instead."""
    try:
        local = value.replace(tzinfo=_zone(key))
    except LookupError:
        return value  # a machine without this zone: the offset still tells the instant
    for fold in (0, 1):
        if local.replace(fold=fold).utcoffset() == value.utcoffset():
            return local.replace(fold=fold)
    return value.astimezone(local.tzinfo)


def _text_time(text: str) -> time:
    if text.endswith(_SECOND):
        return _text_time(text.removesuffix(_SECOND)).replace(fold=1)
    zoned = _ZONED.fullmatch(text)
    return time.fromisoformat(zoned[1]).replace(tzinfo=_zone(zoned[2])) if zoned else time.fromisoformat(text)


def _duration_text(value: timedelta) -> str:
    return str(msgspec.to_builtins(value))


def _text_duration(text: str) -> timedelta:
    return msgspec.convert(text, timedelta)


TEXTS: dict[type, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    bytes: (_bytes_text, _text_bytes),
    bytearray: (_bytes_text, lambda text: bytearray(_text_bytes(text))),
    datetime: (_moment_text, _text_datetime),
    date: (date.isoformat, date.fromisoformat),
    time: (_moment_text, _text_time),
    timedelta: (_duration_text, _text_duration),
    UUID: (str, UUID),
    Decimal: (str, Decimal),
    Path: (str, Path),
    PurePosixPath: (str, PurePosixPath),
    PureWindowsPath: (str, PureWindowsPath),
}
"""How each class becomes text, and back. Reading raises ValueError or ArithmeticError for a text that is none."""
