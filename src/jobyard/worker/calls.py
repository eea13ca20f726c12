"""What a running task asks of the claimer and waits for: `ctx.enqueue`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from itertools import count
from typing import cast

import msgspec

from jobyard import errors
from jobyard.model.messages import Enqueue, Reply, Upstream
from jobyard.model.newjob import NewJob

__all__ = ["Calls"]

_LOOK_UP = 1.0
"""Seconds: an interrupt is raised between two waits, never within one."""


class Calls:
    """The open questions of the runs of one host."""

    def __init__(self, send: Callable[[Upstream], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._open: dict[int, Future[Reply]] = {}

    def ask(self, key: tuple[int, int], jobs: list[NewJob]) -> Reply:
        """
        Have these jobs stored, and wait until they are.

        Raises:
            StaleRun: the run no longer holds its job.
            JobyardError: of the class that the store's answer names.
        """
        future = self._post(key, jobs)
        while True:
            try:
                return _unless_refused(future.result(_LOOK_UP))
            except TimeoutError:
                continue

    async def aask(self, key: tuple[int, int], jobs: list[NewJob]) -> Reply:
        """The same for coroutines."""
        return _unless_refused(await asyncio.wrap_future(self._post(key, jobs)))

    def answer(self, reply: Reply) -> None:
        """Hand a reply to the one who waits for it."""
        if (future := self._open.pop(reply.call, None)) is not None and future.set_running_or_notify_cancel():
            future.set_result(reply)

    def _post(self, key: tuple[int, int], jobs: list[NewJob]) -> Future[Reply]:
        call = next(self._numbers)
        self._open[call] = future = Future[Reply]()
        self._send([Enqueue(call, *key, msgspec.msgpack.encode(jobs))])
        return future


def _unless_refused(reply: Reply) -> Reply:
    if reply.error is None:
        return reply
    name, text = reply.error
    kind = getattr(errors, name, errors.JobyardError)
    raise cast(type[errors.JobyardError], kind)(text)
