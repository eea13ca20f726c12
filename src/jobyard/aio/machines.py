"""The machines of a yard, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jobyard.model.machine import OfflineReason
from jobyard.yard import Yard

if TYPE_CHECKING:
    from jobyard.yard.machines import Machine

__all__ = ["AsyncMachines"]

_in_thread = asyncio.to_thread


class AsyncMachines:
    """The machines of a yard, see `yard.machines`."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard

    async def get(self, name: str) -> Machine:
        return await _in_thread(self._yard.machines.get, name)

    async def online(self, name: str, user: str | None = None, message: str | None = None) -> Machine:
        return await _in_thread(self._yard.machines.online, name, user, message)

    async def offline(
        self,
        name: str,
        reason: OfflineReason | str = OfflineReason.STOPPED,
        user: str | None = None,
        message: str | None = None,
    ) -> Machine:
        return await _in_thread(self._yard.machines.offline, name, reason, user, message)

    async def quiesce(self, name: str, user: str | None = None, message: str | None = None) -> Machine:
        return await _in_thread(self._yard.machines.quiesce, name, user, message)

    async def list(self) -> list[Machine]:
        return await _in_thread(self._yard.machines.list)
