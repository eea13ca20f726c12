"""A worker in a thread, beside the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobyard import Yard
from jobyard.model.events import Happening
from jobyard.worker import Worker


class Serving:
    """A worker that runs until it is stopped."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, name="worker-under-test", daemon=True)
        self._thread.start()

    def stop(self, times: int = 1) -> int | None:
        """Stop it as that many signals would, and return its exit code."""
        for _ in range(times):
            self.worker.stop()
        return self.join()

    def join(self, timeout: float = 20) -> int | None:
        """Wait for its end."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the worker did not stop"
        return self.code

    def _run(self) -> None:
        self.code = self.worker.run()


@contextmanager
def serving(yard: Yard, **options: Any) -> Iterator[Serving]:
    """Run a worker of this yard in a thread during the block."""
    serving = Serving(yard.worker(**options))
    try:
        yield serving
    finally:
        if serving.code is None:
            serving.stop(times=2)


def heard(yard: Yard, kind: type[Happening] = Happening) -> list[Any]:
    """All that happens from now on, as a list that grows."""
    happenings: list[Any] = []
    yard.emitter.on(kind, happenings.append)
    return happenings
