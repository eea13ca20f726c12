"""Trying again: what the database ended because two transactions waited for each other, and what is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from jobyard.errors import StoreBusy

__all__ = ["again", "growing_pause"]

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 5
_LONGEST_PAUSE = 0.1
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 5.0
_MOST_DOUBLINGS = 8


def again(function: Callable[P, T]) -> Callable[P, T]:
    """Do it again after a deadlock: nothing of it was stored. For what is one transaction that reads all it needs."""

    @wraps(function)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_TRIES - 1):
            try:
                return function(*args, **kwargs)
            except StoreBusy as error:
                if not error.deadlock:
                    raise
            time.sleep(random.uniform(0, _LONGEST_PAUSE))
        return function(*args, **kwargs)

    return repeated


def growing_pause(failures: int) -> float:
    """Seconds to wait for what is away, after so many failures in a row; not all who wait come back at once."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, _MOST_DOUBLINGS)) * random.uniform(0.5, 1.0)
