"""Commands that follow what happens: they outlive a store that is away for a while, as workers do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from jobyard.cli import format, output
from jobyard.cli.failure import Failure
from jobyard.errors import StoreBusy, StoreUnavailable, WaitTimeout
from jobyard.model.states import FINAL
from jobyard.store.again import growing_pause

if TYPE_CHECKING:
    from jobyard.model.job import Job

__all__ = ["patiently", "wait_for"]

T = TypeVar("T")

_LONGEST_ABSENCE = 300.0
_LONGEST_LOOK = 5.0
"""Seconds after which a wait begins anew, so that two absences are told apart."""


def patiently(look: Callable[[], T], deadline: float = math.inf, *, longest: float = _LONGEST_ABSENCE) -> T:
    """
    What *look* gives, which is called again while the store is away; stderr has one line about that.

    Args:
        look: it must be short, and read before it prints.
        deadline: when to give up, by the monotonic clock.
        longest: seconds without an answer after which to give up.

    Raises:
        StoreUnavailable, StoreBusy: it was away for too long.
    """
    failures = 0
    while True:
        try:
            return look()
        except (StoreUnavailable, StoreBusy) as error:
            failures += 1
            if failures == 1:
                left = min(longest, deadline - time.monotonic())
                deadline = time.monotonic() + left
                output.warn(f"jobyard: {error}; trying again for {format.length(left)}")
            pause = growing_pause(failures)
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)


def wait_for(jobs: Sequence[Job[Any]], timeout: float | None) -> None:
    """
    `Yard.wait`, patiently.

    Raises:
        Failure: some had not ended after *timeout* seconds in all; the text names them.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    for job in jobs:
        while not patiently(partial(_has_ended, job, deadline), deadline):
            if time.monotonic() >= deadline:
                raise Failure(_unfinished(jobs, timeout or 0))


def _has_ended(job: Job[Any], deadline: float) -> bool:
    try:
        job.wait(min(_LONGEST_LOOK, max(0.0, deadline - time.monotonic())))
    except WaitTimeout:
        return False
    return True


def _unfinished(jobs: Sequence[Job[Any]], timeout: float) -> str:
    left = [f"job {job.id}" for job in jobs if job.refresh().status not in FINAL]
    on = "it goes on" if len(left) == 1 else "they go on"
    return f"not ended after {format.compact(timeout)}: {', '.join(left)}; {on}"
