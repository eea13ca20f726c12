"""Giving claimed jobs to the hosts that run them, and taking them off those once they are written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from jobyard.model.messages import Run, Written
from jobyard.store.settle import Settled
from jobyard.worker.hosts import Hosts
from jobyard.worker.inbox import Inbox
from jobyard.worker.ledger import Held, Ledger

__all__ = ["Delivery", "Host", "Key"]

Key = tuple[int, int]


class Host(Protocol):
    """Where runs run: in this process, or in children."""

    slots: int
    is_here: bool
    """Whether its runs take the interpreter that the claimer needs."""

    def run(self, runs: list[Run]) -> None: ...
    def tell(self, messages: list[Any]) -> None: ...
    def take_back(self, keys: Iterable[Key] | None = None) -> list[Key]: ...


class Delivery:
    """Keeps ledger and hosts together. Used by the claimer's thread alone."""

    def __init__(self, ledger: Ledger, hosts: Hosts, inbox: Inbox) -> None:
        self._ledger = ledger
        self._hosts = hosts
        self._inbox = inbox
        self._kept: list[tuple[Host, list[Run]]] = []
        """Runs for which the database is set to work first: those of short jobs would keep this thread from it."""

    def hand_out(self, claimed: Sequence[Held]) -> None:
        """Give each of these to a host: at once, or with `let_go` if there is enough to write before."""
        by_host: dict[int, tuple[Host, list[Run]]] = {}
        now = time.monotonic()
        for held in claimed:
            self._ledger.add(held)
            host: Host = self._hosts.place(held.run)
            held.host, held.handed_out = host, now
            by_host.setdefault(id(host), (host, []))[1].append(held.run)
        for host, runs in by_host.values():
            if host.is_here and self._inbox.is_full:
                self._kept.append((host, runs))
            else:
                host.run(runs)

    def let_go(self) -> None:
        """Have hosts run what they were not given yet."""
        kept, self._kept = self._kept, []
        for host, runs in kept:
            host.run(runs)

    def keep_for_good(self) -> None:
        """The hosts have stopped: what they were not given yet, they never get."""
        self._kept = []

    def go_on(self, onward: Iterable[Held]) -> None:
        """Hand out the next op of each of these."""
        for held in onward:
            before, was_sync = held.host, held.run.sync
            run = self._ledger.go_on(held)
            self._hosts.left(before)
            if was_sync:
                before.tell([Written(*held.key)])
            held.host, held.handed_out = self._hosts.place(run), time.monotonic()
            held.host.run([run])

    def forget(self, item: Settled) -> None:
        """Its job is held no longer."""
        if (held := self._ledger.drop(item.row.id, item.row.epoch)) is not None:
            self._hosts.left(held.host)
            if held.run.sync:
                held.host.tell([Written(*held.key)])
