"""
When a definition runs next.

Rule 1: times that were missed never pile up. After a run that ends late an interval gives one more at once and counts
from there; cron gives its next time.
Rule 2: a schedule never gives the same time twice, whatever the clock of the machine does.

A *slot* is the time that the schedule means; the due time of the job is the slot and, with `jitter`, a share of it that
depends on the name alone. So a thousand definitions of one midnight are spread over the jitter, each always at its own
place, and none drifts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice, takewhile

import msgspec

from jobyard.model.durations import LONGEST, micros
from jobyard.model.instants import from_micros, to_micros

__all__ = ["Schedule", "due_of", "interval", "next_slot"]

_SECOND = 1_000_000
_MOST_DOUBLINGS = 10
"""Failures beyond this make the wait no longer: 1,024 intervals."""
_FURTHEST = micros(LONGEST)
"""No slot is further ahead, however many failures, or early starts, there were: years end with 9999."""


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    How often, or at which times. At most one of `every` (seconds) and `cron` is given; neither: never.

    Cron expressions are read as Debian's cron reads them. What is due at a fixed time of the day runs once on every
    day, also when the clock changes: a time that the day does not have comes right after the gap, and one that it has
    twice counts the first time. What has ``*`` for the minute or the hour follows the clock on the wall.
    """

    every: float | None = None
    cron: str | None = None
    timezone: str | None = None
    """Of `cron`; None is UTC."""
    jitter: float | None = None
    """Seconds over which definitions with the same times are spread."""

    @property
    def recurs(self) -> bool:
        return self.every is not None or self.cron is not None


def next_slot(schedule: Schedule, slot: int, now: int, *, failures: int = 0) -> int:
    """
    The slot after *slot*, of a schedule that recurs, in microseconds.

    Args:
        slot: of the run that has ended (or, where runs may overlap, has begun).
        failures: in a row up to now. Each after the first doubles the wait; with cron, the number of slots.
    """
    factor, furthest = 1 << min(max(failures - 1, 0), _MOST_DOUBLINGS), now + _FURTHEST
    if schedule.every is not None:
        return min(max(now, slot + round(schedule.every * _SECOND) * factor), furthest)
    slots = islice(map(to_micros, _slots(schedule, max(now, slot))), factor)
    near = list(takewhile(lambda found: found < furthest, slots))
    return near[-1] if len(near) == factor else furthest


def due_of(schedule: Schedule, name: str, slot: int) -> int:
    """When the job of a slot is due."""
    if not schedule.jitter:
        return slot
    import hashlib  # with it comes OpenSSL, which is slow to load

    share = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64
    return slot + int(share * schedule.jitter * _SECOND)


def interval(schedule: Schedule, now: int) -> float | None:
    """Seconds from one run to the next; with cron those from *now* to the next slot. None: it does not recur."""
    if schedule.cron is None:
        return schedule.every
    return (to_micros(next(_slots(schedule, now))) - now) / _SECOND


def _slots(schedule: Schedule, after: int) -> Iterator[datetime]:
    """The slots of a cron expression later than *after*."""
    from cronsim import CronSim  # only those who use cron wait for its import

    start = from_micros(after)
    local = start.astimezone(_zone(schedule.timezone))
    times: Iterator[datetime] = CronSim(str(schedule.cron), local)
    return (time for time in times if time.astimezone(UTC) > start)


def _zone(name: str | None) -> tzinfo:
    if name is None:
        return UTC
    from zoneinfo import ZoneInfo  # slow to import, and seldom needed

    return ZoneInfo(name)
