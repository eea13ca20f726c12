"""
Waiting for a job, in a thread or in a coroutine.

Rule 1: a waiting reader reads when somebody has committed, and at most 20 times a second.
Rule 2: a coroutine that waits holds no thread, so any number may, and a canceled one leaves nothing behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from jobyard.errors import WaitTimeout
from jobyard.model.job import Job
from jobyard.store.driver import Driver, Heed

__all__ = ["as_completed", "auntil", "still_running", "until"]

T = TypeVar("T")

_READ_EVERY = 0.05
"""Seconds between two reads."""
_NET = 1.0
"""Seconds after which a waiting reader looks even if nobody said that something was committed."""


def until(driver: Driver, look: Callable[[], T | None], timeout: float | None) -> T | None:
    """What *look* finds, once it is not None; None at the timeout. It looks at least once."""
    deadline = None if timeout is None else time.monotonic() + timeout
    if (found := look()) is not None:
        return found
    changed = threading.Event()
    forget = driver.listen(changed.set)
    try:
        while True:
            looked_at = time.monotonic()
            if (found := look()) is not None:
                return found
            if deadline is not None and looked_at >= deadline:
                return None
            if not driver.rest(Heed.ANYTHING):
                changed.wait(_pause(deadline, looked_at))
            changed.clear()
            time.sleep(max(0.0, looked_at + _READ_EVERY - time.monotonic()))
    finally:
        forget()


async def auntil(driver: Driver, look: Callable[[], T | None], timeout: float | None) -> T | None:
    """`until` for coroutines: only the looks are in a thread."""
    import asyncio  # slow to load, and whoever awaits has it already

    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else time.monotonic() + timeout
    if (found := await asyncio.to_thread(look)) is not None:
        return found
    changed = asyncio.Event()

    def wake() -> None:
        loop.call_soon_threadsafe(changed.set)

    forget = driver.listen(wake)
    try:
        while True:
            looked_at = time.monotonic()
            if (found := await asyncio.to_thread(look)) is not None:
                return found
            if deadline is not None and looked_at >= deadline:
                return None
            if not await asyncio.to_thread(driver.rest, Heed.ANYTHING):
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), _pause(deadline, looked_at))
            changed.clear()
            await asyncio.sleep(max(0.0, looked_at + _READ_EVERY - time.monotonic()))
    finally:
        forget()


def _pause(deadline: float | None, now: float) -> float:
    return _NET if deadline is None else min(_NET, max(deadline - now, 0.0))


def as_completed(
    driver: Driver, ended_of: Callable[[Iterable[int]], list[int]], jobs: Iterable[Job[Any]], timeout: float | None
) -> Iterator[Job[Any]]:
    """See `Yard.as_completed`; *ended_of* tells which of some jobs have ended."""
    left = {job.id: job for job in jobs}
    deadline = None if timeout is None else time.monotonic() + timeout
    while left:
        remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
        ended = until(driver, lambda: ended_of(left) or None, remaining)
        if ended is None:
            raise still_running(len(left), timeout)
        for id in ended:
            yield left.pop(id).refresh()


def still_running(count: int, timeout: float | None) -> WaitTimeout:
    """The error of who waited for several jobs."""
    return WaitTimeout(f"{count} jobs have not ended after {timeout:g} s; they go on")
