"""The order of claims, as one stored number: smaller comes first, ties by id."""

from __future__ import annotations

__all__ = ["AUTOMATIC", "PRIORITY_STEP", "is_requested", "rank"]

PRIORITY_STEP = 2**57
AUTOMATIC = 2**56
"""What a job that nobody asked for stands behind; longer than any due time since 1970 in microseconds."""
_HEAD_START = 365 * 86_400_000_000


def rank(priority: int, due: int, *, requested: bool = False, aging: float | None = None) -> int:
    """
    Order by (priority, requested before automatic, due).

    With *aging*, seconds in which a waiting job gains one step of priority, it is the due time moved by the
    priority's worth, and by a fixed head start of a year for a requested job.
    """
    if aging:
        return due + int(priority * aging * 1_000_000) - (_HEAD_START if requested else 0)
    return priority * PRIORITY_STEP + (0 if requested else AUTOMATIC) + due


def is_requested(rank: int, priority: int, due: int, *, aging: float | None = None) -> bool:
    """Whether this stored rank is of a requested job."""
    if aging:
        return rank < due + int(priority * aging * 1_000_000)
    return rank - priority * PRIORITY_STEP < AUTOMATIC
