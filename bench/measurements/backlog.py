"""Whether a worker slows down when much is queued."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["SETTLE", "part_of", "postgres", "sqlite"]

SETTLE = step("bench.subjects.circumstances:settle")


def sqlite(sizes: Sizes) -> list[Measurement]:
    """The same number of jobs is run, of few and of many."""
    return [_measurement(sizes)]


def postgres(sizes: Sizes) -> list[Measurement]:
    """The same, once the server is done with what the load left to do."""
    return [_measurement(sizes, SETTLE)]


def _measurement(sizes: Sizes, *settled: Step) -> Measurement:
    count = sizes.jobs // 2
    return Measurement(
        "backlog",
        f"Run {count:,} of {sizes.backlog:,} queued jobs, against {sizes.jobs:,}",
        (part_of("few", sizes.jobs, count, *settled), part_of("many", sizes.backlog, count, *settled)),
        (Floor("of the rate with few", ("many", "per_s"), 0.85, ("few", "per_s")),),
    )


def part_of(name: str, queued: int, count: int, *settled: Step) -> Subject:
    """Run *count* of the *queued* jobs."""
    fill = step("bench.subjects.jobyard_yard:fill", count=queued, task="counted")
    return Subject(name, (fill, *settled, step("bench.subjects.jobyard_yard:drain_part", count=count)))
