"""Instants: microseconds since the epoch inside, aware datetimes outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

__all__ = ["from_micros", "to_micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def from_micros(micros: int) -> datetime: ...
@overload
def from_micros(micros: None) -> None: ...
@overload
def from_micros(micros: int | None) -> datetime | None: ...
def from_micros(micros: int | None) -> datetime | None:
    """The instant as an aware datetime in UTC."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def to_micros(instant: datetime) -> int:
    """The instant in microseconds since the epoch. Raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        msg = f"{instant!r} has no time zone; give an aware datetime, like datetime.now(UTC)"
        raise ValueError(msg)
    return (instant - _EPOCH) // _MICROSECOND
