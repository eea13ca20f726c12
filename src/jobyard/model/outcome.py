"""
What becomes of a job when an op of its attempt ends.

Rule 1: this is decided here, from the status of the row and what the slot reports, and nowhere else.
Rule 2: a job that is being canceled never gets another attempt; only a value returned by its last op or an ordinary
error keep it from ending as ``canceled``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobyard.model.messages import Ended
from jobyard.model.retry import Retry
from jobyard.model.states import Status

__all__ = ["Decision", "decide"]


class Decision(msgspec.Struct, frozen=True):
    """The next status of the job, and what the attempt costs it."""

    status: Status
    delay: float | None = None
    """Seconds until the next attempt; None where there is none, or at once."""
    failed: bool = False
    """The attempt counts as a failure of the retry policy."""
    crashed: bool = False
    """The attempt counts towards `max_crashes`."""
    spent: bool = True
    """False: the attempt number is taken back."""
    advance: bool = False
    """The op is done and the next one follows."""
    requested: bool = False
    """It is canceled because somebody asked for that."""


_CANCELED = Decision(Status.CANCELED)
_CANCELED_BY_REQUEST = Decision(Status.CANCELED, requested=True)
_SUCCEEDED = Decision(Status.SUCCEEDED)
_ADVANCE = Decision(Status.RUNNING, advance=True)
_BACK = Decision(Status.QUEUED, spent=False)
_ASIDE = Decision(Status.SUSPENDED, spent=False)
_FAILED = Decision(Status.FAILED, failed=True)
_WITHOUT_FAILURE = {
    Ended.SKIPPED: Decision(Status.SKIPPED),
    Ended.SUSPENDED: _ASIDE,
    Ended.UNFIT: _ASIDE,
    Ended.CANCELED: _CANCELED,
    Ended.DRAINED: _BACK,
    Ended.UNKNOWN: _BACK,
}
"""What becomes of a job whose op neither returned nor failed."""


def decide(
    status: Status,
    ended: str,
    *,
    retry: Retry,
    failures: int = 0,
    crashes: int = 0,
    max_crashes: int = 3,
    more: bool = False,
    types: Sequence[str] = (),
    delay: float | None = None,
    user_error: bool = False,
    chance: float = 0.5,
) -> Decision:
    """
    Decide what becomes of a running or canceling job.

    Args:
        status: of the row, `RUNNING` or `CANCELING`.
        ended: one of `messages.Ended`.
        retry: the policy in force for the job.
        failures: failed attempts before this one, since the last explicit retry.
        crashes: reclaims before this one.
        max_crashes: the reclaim in all that fails the job as poison.
        more: ops follow the one that returned.
        types: the classes of the exception, see `Retry.applies_to`.
        delay: what `RetryJob` asked for, in seconds.
        user_error: the exception is one of the task's `user_errors`: another attempt would fail alike.
        chance: a random number from 0 to 1 that places the wait within its jitter.
    """
    if ended == Ended.RETURNED:
        return _ADVANCE if more else _SUCCEEDED
    if status is Status.CANCELING:
        return _FAILED if ended == Ended.RAISED else _CANCELED_BY_REQUEST
    if ended == Ended.CRASHED:
        poison = crashes + 1 >= max_crashes
        return Decision(Status.FAILED if poison else Status.QUEUED, crashed=True)
    if ended in (Ended.RAISED, Ended.TIMEOUT, Ended.RETRY):
        worth_it = ended == Ended.RETRY or (not user_error and retry.applies_to(types))
        if not worth_it or failures + 1 >= retry.attempts:
            return _FAILED
        wait = retry.wait(failures + 1, chance) if delay is None else delay
        return Decision(Status.SCHEDULED, delay=wait, failed=True)
    return _WITHOUT_FAILURE[ended]
