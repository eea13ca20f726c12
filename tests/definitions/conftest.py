"""A yard with a few tasks, whose runs are noted."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest
from tests.soundness import sound  # noqa: F401 - autouse

from jobyard import SkipJob, Yard, ctx


@pytest.fixture
def shop(yard: Yard) -> SimpleNamespace:
    """Tasks: `note` notes its argument, `fail` fails as long as `broken` is set, `status` ends as it is told."""
    seen: list[object] = []
    shop = SimpleNamespace(seen=seen, broken=True)

    @yard.task(name="note")
    def note(value=None):
        seen.append(value)
        return value

    @yard.task(name="since")
    def since(day: date, *, count: int = 1) -> int:
        seen.append(day)
        return count

    @yard.task(name="fail")
    def fail():
        if shop.broken:
            raise ValueError("broken")
        return "mended"

    @yard.task(name="skip")
    def skip():
        raise SkipJob

    @yard.task(name="status")
    def status(value: str):
        ctx.result_status = value

    @yard.task(name="total")
    def total(*values: int) -> int:
        return sum(values)

    return shop
