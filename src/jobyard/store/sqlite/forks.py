"""
Nothing is open at the moment of a fork.

A fork copies SQLite's own record of the locks that a process holds, but not the locks. A child that opens the same file
would believe that it holds them, and the write-ahead log could be deleted under it, with jobs that were acknowledged.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["closed_at_forks"]


class Forking(Protocol):
    """What has to be closed before a fork and may be opened again after it, in both processes."""

    def before_fork(self) -> None: ...
    def after_fork(self) -> None: ...
    def forget_the_parents(self) -> None: ...


_open: WeakSet[Forking] = WeakSet()
_closed: list[Forking] = []


def closed_at_forks(driver: Forking) -> None:
    """Have *driver* told of each fork, for as long as it lives."""
    _open.add(driver)


def _before() -> None:
    _closed[:] = list(_open)
    for driver in _closed:
        driver.before_fork()


def _in_parent() -> None:
    while _closed:
        _closed.pop().after_fork()


def _in_child() -> None:
    while _closed:
        _closed.pop().forget_the_parents()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
