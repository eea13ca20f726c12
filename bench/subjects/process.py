"""What starting costs: whole processes, by the wall clock."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from bench.subjects.clock import Stopwatch

__all__ = ["start"]


def start(url: str, arguments: list[str], count: int) -> dict[str, float]:
    """The median time of *count* runs of Python with these arguments, after one that warms the caches."""
    times = []
    for _ in range(count + 1):
        watch = Stopwatch()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(watch.seconds() * 1000)
    return {"ms": median(times[1:])}
