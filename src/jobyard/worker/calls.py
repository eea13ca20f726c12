"""What a running task asks of the claimer and waits for: `ctx.enqueue`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from itertools import count
from typing import cast

import msgspec

from jobyard import errors
from jobyard.errors import StaleRun
from jobyard.model.messages import Enqueue, Reply, Upstream
from jobyard.model.newjob import NewJob

__all__ = ["Calls", "refusal"]

Key = tuple[int, int]

_LOOK_UP = 1.0
"""Seconds: an interrupt is raised between two waits, never within one."""


class Calls:
    """The open questions of the runs of one host."""

    def __init__(self, send: Callable[[Upstream], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._open: dict[int, tuple[Key, Future[Reply]]] = {}

    def ask(self, key: Key, jobs: list[NewJob], check: Callable[[], None]) -> Reply:
        """
        Have these jobs stored, and wait until they are.

        Args:
            check: raises `StaleRun` if the run is known to hold its job no longer, and will get no answer.

        Raises:
            StaleRun: the run no longer holds its job.
            JobyardError: of the class that the store's answer names.
        """
        future = self._post(key, jobs, check)
        while True:
            try:
                return _unless_refused(future.result(_LOOK_UP))
            except TimeoutError:
                continue

    async def aask(self, key: Key, jobs: list[NewJob], check: Callable[[], None]) -> Reply:
        """The same for coroutines."""
        return _unless_refused(await asyncio.wrap_future(self._post(key, jobs, check)))

    def answer(self, reply: Reply) -> None:
        """Hand a reply to the one who waits for it."""
        _, future = self._open.pop(reply.call, (None, None))
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(reply)

    def refuse(self, key: Key) -> None:
        """The run no longer holds its job: nobody will answer what it has asked."""
        for call, (asked_by, _) in list(self._open.items()):
            if asked_by == key:
                self.answer(Reply(call, [], [], refusal(key)))

    def _post(self, key: Key, jobs: list[NewJob], check: Callable[[], None]) -> Future[Reply]:
        call = next(self._numbers)
        future = Future[Reply]()
        self._open[call] = key, future
        try:
            check()  # after it was opened: from here on `refuse` finds it
        except StaleRun:
            del self._open[call]
            raise
        self._send([Enqueue(call, *key, msgspec.msgpack.encode(jobs))])
        return future


def refusal(key: Key) -> tuple[str, str]:
    """The error of a run that wants to store jobs and no longer holds its own."""
    return "StaleRun", f"job {key[0]} is no longer held by this run: nothing was enqueued"


def _unless_refused(reply: Reply) -> Reply:
    if reply.error is None:
        return reply
    name, text = reply.error
    kind = getattr(errors, name, errors.JobyardError)
    raise cast(type[errors.JobyardError], kind)(text)
