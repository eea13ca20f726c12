"""The database's clock, as an offset to this machine's monotonic one: a wrong wall clock changes nothing."""

from __future__ import annotations

import time

from jobyard.store.postgres.line import Call, Line

__all__ = ["Clock"]

_STALE = 30.0
_READ = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint"


class Clock:
    """Measured at each new connection and every 30 s; between, it goes with the monotonic clock."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._measured = float("-inf")

    @property
    def is_known(self) -> bool:
        return self._offset is not None

    @property
    def is_stale(self) -> bool:
        return time.monotonic() - self._measured > _STALE

    def now(self) -> int:
        """Microseconds since the epoch."""
        assert self._offset is not None
        return self._offset + time.monotonic_ns() // 1000

    def measure(self, line: Line) -> None:
        """Ask the server, which answers in the middle of the round trip."""
        began = time.monotonic_ns()
        [(server,)] = line.ask(Call(_READ))
        ended = time.monotonic_ns()
        self._offset = server - (began + ended) // 2000
        self._measured = time.monotonic()
