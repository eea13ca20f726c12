"""Times, amounts and sizes as people read them. Everything the command line shows of these comes from here."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = [
    "ago",
    "amount",
    "bar",
    "compact",
    "instant",
    "length",
    "moment",
    "percent",
    "plural",
    "rate",
    "size",
    "time_left",
]

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_BLOCKS = " ▏▎▍▌▋▊▉█"


def length(seconds: float) -> str:
    """A duration: ``<1 ms``, ``120 ms``, ``3.2 s``, ``42 s``, ``3m 12s``, ``2h 05m``, ``3d 04h``."""
    if 0 < seconds < 0.001:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02d}h"


def ago(then: datetime, now: datetime | None = None) -> str:
    """How far away an instant is: ``3m 12s ago``, ``in 5.0 s``."""
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    return f"{length(seconds)} ago" if seconds >= 0 else f"in {length(-seconds)}"


def instant(then: datetime) -> str:
    """The local time, to the second, with its offset from UTC."""
    local = then.astimezone()
    offset = f"{local:%z}"
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:]}"


def moment(then: datetime | None, now: datetime | None = None) -> str:
    """Both, for a line of its own; a dash for an instant that has not come."""
    return "-" if then is None else f"{instant(then)}  ({ago(then, now)})"


def time_left(current: float, total: float | None, elapsed: float) -> float | None:
    """Seconds until *current*, which took *elapsed* seconds to reach, is *total*; None where nobody can tell."""
    if total is None or current <= 0 or elapsed <= 0 or current > total:
        return None
    return elapsed * (total - current) / current


def amount(number: float) -> str:
    """A number with its thousands divided, and at most two decimals: ``12,345``, ``0.25``."""
    if not math.isfinite(number):
        return str(number)
    return f"{number:,.0f}" if number == round(number) else f"{number:,.2f}"


def rate(count: float, seconds: float) -> str:
    """``12.5/s``; slow ones by the minute."""
    per_second = count / seconds if seconds > 0 else 0.0
    if 0 < per_second < 0.1:
        return f"{per_second * _MINUTE:.1f}/min"
    return f"{per_second:,.0f}/s" if per_second >= 100 else f"{per_second:.1f}/s"


def percent(fraction: float) -> str:
    """Whole percents. Only what is complete is 100 %."""
    return f"{math.floor(fraction * 100)} %"


def size(count: int) -> str:
    """Bytes in powers of 1024: ``1.5 MiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def plural(count: int, word: str, words: str | None = None) -> str:
    """``1 job``, ``2 jobs``, ``3 processes``."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def bar(fraction: float, width: int) -> str:
    """A bar of *width* columns, filled by eighths of a column."""
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(width)


def compact(seconds: float) -> str:
    """A duration in the form that settings take: ``7d``, ``5m``, ``90s``, ``0.5s``."""
    for unit, long in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= long and seconds % long == 0:
            return f"{seconds / long:.0f}{unit}"
    return f"{seconds:g}s"
