"""What runs in each process of a worker before its first job and after its last."""

from __future__ import annotations

import logging
from collections.abc import Callable

__all__ = ["Hooks"]

_log = logging.getLogger("jobyard")


class Hooks:
    """Functions to be called at one moment. One that raises is logged, and the others are called all the same."""

    def __init__(self) -> None:
        self._functions: list[Callable[[], object]] = []

    def add(self, function: Callable[[], object]) -> None:
        self._functions.append(function)

    def run(self) -> None:
        for function in self._functions:
            try:
                function()
            except Exception:
                _log.exception("%r failed", function)
