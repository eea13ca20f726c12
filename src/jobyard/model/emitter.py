"""
Tells what happens to whoever asked for it.

Rule 1: what nobody subscribed to is not even made: ask `Emitter.wants` first where it happens often.
Rule 2: a subscriber that raises is logged and stops nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from jobyard.model.events import Happening  # a class for each thing that can happen: who is told loads them

__all__ = ["Emitter"]

H = TypeVar("H", bound="Happening")

_log = logging.getLogger("jobyard")


class Emitter:
    """Hands what happens to those who subscribed, in the thread where it happens. Any thread may subscribe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._subscribers: tuple[tuple[type[Happening], Callable[[Any], object]], ...] = ()
        self._by_type: dict[type[Happening], tuple[Callable[[Any], object], ...]] = {}

    def on(self, kind: type[H], subscriber: Callable[[H], object]) -> Callable[[], None]:
        """
        Call the subscriber with everything of this class, subclasses included.

        Returns:
            A function that ends the subscription.
        """
        entry = (kind, subscriber)
        self._change(lambda entries: (*entries, entry))
        return lambda: self._change(lambda entries: tuple(other for other in entries if other is not entry))

    @property
    def has_subscribers(self) -> bool:
        """Whether anybody is told of anything."""
        return bool(self._subscribers)

    def wants(self, kind: type[Happening]) -> bool:
        """Whether anybody would be told."""
        return bool(self._find(kind))

    def emit(self, happening: Happening) -> None:
        """Tell everybody who subscribed, in the order of their subscriptions."""
        for subscriber in self._find(type(happening)):
            try:
                subscriber(happening)
            except (Exception, SystemExit):
                _log.exception("a subscriber to %s failed: %r", type(happening).__name__, subscriber)

    def _find(self, kind: type[Happening]) -> tuple[Callable[[Any], object], ...]:
        by_type = self._by_type  # a change of the subscriptions replaces it
        if (found := by_type.get(kind)) is None:
            found = by_type[kind] = tuple(told for wanted, told in self._subscribers if issubclass(kind, wanted))
        return found

    def _change(self, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
        with self._lock:
            self._subscribers = change(self._subscribers)
            self._by_type = {}
