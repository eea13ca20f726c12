"""What to do where two transactions waited for each other and the database ended one of them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from jobyard.errors import StoreBusy

__all__ = ["again"]

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 5
_LONGEST_PAUSE = 0.1


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
