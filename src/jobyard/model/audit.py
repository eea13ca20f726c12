"""The lines of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """
    One line of the append-only audit trail: who did what, when, to which job, definition or machine.

    `user` is None for what jobyard did by itself.
    """

    id: int
    kind: str
    at: datetime
    user: str | None = None
    job: int | None = None
    definition: str | None = None
    machine: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
