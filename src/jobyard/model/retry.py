"""How often a failed attempt is tried again, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobyard.errors import BadArguments
from jobyard.model.durations import seconds

__all__ = ["NO_RETRY", "Retry", "class_name"]

_LONGEST = 6 * 3600.0


def class_name(exception: type[BaseException] | str) -> str:
    """An exception class as ``module:qualname``, the form in which a policy is stored and compared."""
    return exception if isinstance(exception, str) else f"{exception.__module__}:{exception.__qualname__}"


@dataclass(frozen=True, init=False)
class Retry:
    """
    How often to try, and how long to wait in between.

    After the n-th failure the next attempt is due in ``min(delay * factor**(n-1), max_delay)``, varied by ``jitter``
    (0.15: plus or minus 15 %). Without a delay it is ``15 + 2**n`` seconds, at most `max_delay`: ten attempts stretch
    over about 19 minutes.

    Args:
        attempts: how many in all, the first included.
        delay: wait after the first failure: seconds, a timedelta, or a text like ``"90s"``.
        factor: by how much each wait is longer than the one before.
        max_delay: the longest wait.
        jitter: the share by which a wait is varied at random.
        on: exception classes (or their names as ``module:qualname``) that are worth another attempt.
        give_up_on: exceptions among those that are not.
    """

    attempts: int
    delay: float | None
    factor: float
    max_delay: float
    jitter: float
    on: tuple[str, ...]
    give_up_on: tuple[str, ...]

    def __init__(
        self,
        attempts: int,
        delay: object = None,
        factor: float = 2,
        max_delay: object = _LONGEST,
        jitter: float = 0.15,
        on: Iterable[type[BaseException] | str] = (Exception,),
        give_up_on: Iterable[type[BaseException] | str] = (),
    ) -> None:
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            msg = f"Retry(attempts={attempts!r}): attempts is a whole number from 1"
            raise BadArguments(msg)
        if not 0 <= factor < math.inf or not 0 <= jitter < 1:
            msg = f"Retry(factor={factor!r}, jitter={jitter!r}): factor is at least 0 and jitter from 0 to below 1"
            raise BadArguments(msg)
        values = {
            "attempts": attempts,
            "delay": None if delay is None else _seconds(delay, "delay"),
            "factor": float(factor),
            "max_delay": _seconds(max_delay, "max_delay"),
            "jitter": float(jitter),
            "on": tuple(class_name(e) for e in on),
            "give_up_on": tuple(class_name(e) for e in give_up_on),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the class is frozen

    def applies_to(self, types: Sequence[str]) -> bool:
        """Whether an exception with these classes (see `class_name`) is worth another attempt."""
        return not set(types).isdisjoint(self.on) and set(types).isdisjoint(self.give_up_on)

    def wait(self, failures: int, chance: float) -> float:
        """
        Seconds to wait after this many failures.

        Args:
            chance: a random number from 0 to 1, which places the wait within the jitter.
        """
        exponent = min(failures - 1, 64)
        try:
            wait = 15 + 2.0 ** (exponent + 1) if self.delay is None else self.delay * self.factor**exponent
        except OverflowError:
            wait = self.max_delay
        return min(wait, self.max_delay) * (1 + self.jitter * (2 * chance - 1))


def _seconds(value: object, name: str) -> float:
    try:
        return seconds(value, name)
    except ValueError as error:
        raise BadArguments(*error.args) from None


NO_RETRY = Retry(1)
