"""Many clients that enqueue at the same time, while a worker of another queue listens and has nothing to do."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from bench.app import noop, yard
from bench.measurement import step
from bench.runner import ROOT, command
from bench.subjects.crew import together

__all__ = ["clients", "enqueue_share", "listen"]

PROCESSES = 4
THREADS = 8
SETTLE_S = 1.5


def clients(url: str, count: int, notify: bool) -> dict[str, float]:
    """*count* jobs of 32 clients, each durable, over four processes."""
    yard.install()
    url = url if notify else f"{url}?notify=off"
    listener = subprocess.Popen(command(step(f"{__name__}:listen"), url), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        assert listener.poll() is None, "the listener ended"
        each = count // (PROCESSES * THREADS)
        return together(url, f"{__name__}:enqueue_share", PROCESSES, each * PROCESSES * THREADS, each=each)
    finally:
        listener.terminate()
        listener.wait(30)


def listen(url: str) -> None:
    """A worker that has nothing to do, until it is told to stop."""
    yard.worker(["other"]).run()


def enqueue_share(url: str, each: int) -> dict[str, float]:
    """*each* jobs from each of this process's clients."""
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(_enqueue, [each] * THREADS))
    return {"count": each * THREADS}


def _enqueue(count: int) -> None:
    for _ in range(count):
        noop.enqueue()
