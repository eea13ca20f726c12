"""What a second process brings: more where jobs compute, and next to no loss where they do nothing."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject
from bench.measurements.drain import filled_drain

__all__ = ["sqlite"]


def sqlite(sizes: Sizes) -> list[Measurement]:
    """By `steady_per_s`: starting a child is paid once, and measured as the start of a worker."""
    return [
        _pair("processes", "Jobs of 1 ms of CPU, two processes", "spin", sizes.busy_jobs, 1.6),
        _pair("processes_noop", "Jobs that do nothing, two processes", "noop", sizes.jobs, 0.8),
    ]


def _pair(name: str, title: str, task: str, count: int, bound: float) -> Measurement:
    one, two = "one process", "two processes"
    return Measurement(
        name,
        title,
        (Subject(one, filled_drain(count, task)), Subject(two, filled_drain(count, task, processes=2))),
        (Floor("times one process", (two, "steady_per_s"), bound, (one, "steady_per_s")),),
    )
