"""
How long it takes from an enqueue to the start of the job, in an idle worker of another process.

The task itself compares the monotonic clock, which is one for the whole machine, with the instant in its argument.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.measurement import step
from bench.runner import ROOT, command

__all__ = ["Sender", "time_starts"]

GAP_S = (0.003, 0.020)
"""Between two samples: long enough for the worker to be idle again, and never in step with a poll."""

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Sender:
    """How a subject enqueues: a job that notes how late it is, and one that writes all notes to a file."""

    arrive: Callable[[], object]
    report: Callable[[Path], object]


def time_starts(url: str, serve: str, sender: Sender, samples: int) -> list[int]:
    """Nanoseconds from enqueue to start, of jobs sent one by one to a worker that *serve* starts."""
    with tempfile.TemporaryDirectory() as folder:
        return _time_starts(command(step(serve), url), sender, samples, Path(folder) / "notes.json")


def _time_starts(serve: list[str], sender: Sender, samples: int, notes: Path) -> list[int]:
    worker = subprocess.Popen(serve, cwd=ROOT)
    try:
        sender.report(notes)
        _read(notes, worker)
        for _ in range(samples):
            time.sleep(random.uniform(*GAP_S))
            sender.arrive()
        time.sleep(0.2)
        sender.report(notes)
        return _read(notes, worker)
    finally:
        worker.terminate()
        worker.wait(PATIENCE_S)


def _read(notes: Path, worker: subprocess.Popen[bytes]) -> list[int]:
    deadline = time.monotonic() + PATIENCE_S
    while not notes.exists():
        if time.monotonic() > deadline or worker.poll() is not None:
            raise TimeoutError("the worker did not run the job that reports")
        time.sleep(0.05)
    times: list[int] = json.loads(notes.read_text())
    notes.unlink()
    return times
