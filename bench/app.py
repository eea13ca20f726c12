"""The app whose tasks are measured. `bench.child` puts the URL of its store where every app finds it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

from jobyard import Yard

__all__ = ["anoop", "arrive", "count_to", "counted", "noop", "report", "spin", "yard"]

yard = Yard()

_arrived: list[int] = []


@yard.task(name="noop")
def noop() -> None:
    """Nothing, so that all that is measured is ours."""


@yard.task(name="anoop")
async def anoop() -> None:
    """Nothing, on the event loop."""


@yard.task(name="spin")
def spin() -> None:
    """Keep this thread computing for 1 ms of its own time, however many others want the interpreter."""
    end = time.thread_time_ns() + 1_000_000
    while time.thread_time_ns() < end:
        sum(range(100))


_ticks = itertools.count(1)
_marks: dict[int, Callable[[], object]] = {}


def count_to(marks: dict[int, Callable[[], object]]) -> None:
    """Have `counted` call these at its n-th run in this process."""
    _marks.update(marks)


@yard.task(name="counted")
def counted() -> None:
    """Nothing, and count it."""
    if (mark := _marks.get(next(_ticks))) is not None:
        mark()


@yard.task(name="arrive")
def arrive(sent: int) -> None:
    """Note how long ago *sent* was, on the monotonic clock that all processes share."""
    _arrived.append(time.monotonic_ns() - sent)


@yard.task(name="report")
def report(path: str) -> None:
    """Write the notes of this process, whole or not at all."""
    part = Path(path).with_suffix(".part")
    part.write_text(json.dumps(_arrived))
    part.rename(path)
