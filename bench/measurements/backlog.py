"""Whether a worker slows down when much is queued."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step

__all__ = ["postgres", "sqlite"]


def sqlite(sizes: Sizes) -> list[Measurement]:
    """The same number of jobs is run, of few and of many."""
    return [
        Measurement(
            "backlog",
            f"Run {sizes.jobs // 2:,} of {sizes.backlog:,} queued jobs, against {sizes.jobs:,}",
            (_subject("few", sizes.jobs, sizes.jobs // 2), _subject("many", sizes.backlog, sizes.jobs // 2)),
            (Floor("of the rate with few", ("many", "per_s"), 0.85, ("few", "per_s")),),
        )
    ]


postgres = sqlite
"""The same question, the same floor."""


def _subject(name: str, queued: int, count: int) -> Subject:
    fill = step("bench.subjects.jobyard_yard:fill", count=queued, task="counted")
    return Subject(name, (fill, step("bench.subjects.jobyard_yard:drain_part", count=count)))
