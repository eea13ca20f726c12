"""The definitions of a yard, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from jobyard.aio.job import AsyncJob
from jobyard.model.job import Job
from jobyard.task import Task
from jobyard.yard import Yard

if TYPE_CHECKING:
    from jobyard.definitions import Definition, DefinitionKeywords, Fault, Loaded
    from jobyard.definitions.overview import Overview

__all__ = ["AsyncDefinitions"]

_in_thread = asyncio.to_thread


class AsyncDefinitions:
    """The definitions of a yard, see `yard.definitions`. What is read of one when it is asked for is not awaited."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    async def add(
        self,
        name: str,
        task: Task[..., Any] | str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        user: str | None = None,
        **keys: Unpack[DefinitionKeywords],
    ) -> Definition:
        return await _in_thread(self._yard.definitions.add, name, task, args, kwargs, user=user, **keys)

    async def change(self, name: str, /, user: str | None = None, **keys: Any) -> Definition:
        return await _in_thread(self._yard.definitions.change, name, user, **keys)

    async def check(self, path: str | Path) -> list[Fault]:
        return await _in_thread(self._yard.definitions.check, path)

    async def load(self, path: str | Path, *, prune: bool = False, user: str | None = None) -> Loaded:
        return await _in_thread(self._yard.definitions.load, path, prune=prune, user=user)

    async def dump(self) -> str:
        return await _in_thread(self._yard.definitions.dump)

    async def get(self, name: str) -> Definition:
        return await _in_thread(self._yard.definitions.get, name)

    async def overview(self, runs: int = 10) -> list[Overview]:
        return await _in_thread(self._yard.definitions.overview, runs)

    async def request(self, name: str, user: str | None = None) -> Definition:
        return await _in_thread(self._yard.definitions.request, name, user)

    async def pause(self, name: str, user: str | None = None) -> Definition:
        return await _in_thread(self._yard.definitions.pause, name, user)

    async def resume(self, name: str, user: str | None = None) -> Definition:
        return await _in_thread(self._yard.definitions.resume, name, user)

    async def retire(self, name: str, user: str | None = None) -> Definition:
        return await _in_thread(self._yard.definitions.retire, name, user)

    async def delete(self, name: str, user: str | None = None) -> None:
        await _in_thread(self._yard.definitions.delete, name, user)

    async def build(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | AsyncJob[Any] | int | None] | None = None,
    ) -> AsyncJob[Any]:
        order = name, build_deps, build_revdeps, _plain(pins)
        return AsyncJob(await _in_thread(self._yard.definitions.build, *order))

    async def planned(
        self,
        name: str,
        build_deps: bool = False,
        build_revdeps: bool = False,
        pins: Mapping[str, Job[Any] | AsyncJob[Any] | int | None] | None = None,
    ) -> list[str]:
        return await _in_thread(self._yard.definitions.planned, name, build_deps, build_revdeps, _plain(pins))

    async def delete_build(self, job: Job[Any] | AsyncJob[Any] | int) -> None:
        await _in_thread(self._yard.definitions.delete_build, job.job if isinstance(job, AsyncJob) else job)

    async def declare(self) -> list[Definition]:
        return await _in_thread(self._yard.definitions.declare)

    async def list(self) -> list[Definition]:
        return await _in_thread(self._yard.definitions.list)


def _plain(pins: Any) -> Any:
    """The same pins, with plain jobs."""
    if not isinstance(pins, Mapping):
        return pins
    return {key: pin.job if isinstance(pin, AsyncJob) else pin for key, pin in pins.items()}
