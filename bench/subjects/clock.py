"""Stopwatch, quantiles and memory, the same for every subject."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Stopwatch", "latency_figures", "peak_mib"]


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """Since then."""
        return time.perf_counter() - self._began

    def per_s(self, count: int) -> float:
        """The rate of *count* things since then."""
        return count / self.seconds()


def latency_figures(nanoseconds: Sequence[int]) -> dict[str, float]:
    """The median and the 99th percentile of these times, in milliseconds."""
    ordered = sorted(nanoseconds)
    return {f"p{percent}_ms": ordered[len(ordered) * percent // 100] / 1e6 for percent in (50, 99)}


def peak_mib() -> float:
    """
    The most memory this process ever had resident.

    On Linux not from `getrusage`, which counts what the parent had before the exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
