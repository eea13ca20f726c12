"""What tests of every folder share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout: float = 10) -> T:
    """
    Ask *predicate* until its answer is true, and return the answer.

    Raises:
        AssertionError: it was not within *timeout* seconds; the text has its last answer.
    """
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        assert time.monotonic() < deadline, f"not within {timeout} s; the last answer was {answer!r}"
        time.sleep(0.01)
    return answer
