"""How cost grows with workers and with rows; the guide on scaling has these figures."""

from __future__ import annotations

from bench.measurement import Measurement, Sizes, Subject, step
from bench.measurements.backlog import SETTLE, part_of

__all__ = ["postgres"]

WORKERS = (1, 2, 4, 8)
CLAIMERS = {"jobyard": "jobyard_yard", "raw": "raw_postgres"}


def postgres(sizes: Sizes) -> list[Measurement]:
    """No floors: the cores are shared by all workers and the server, so it is for the shape of the curves."""
    return [_workers(sizes), _rows(sizes)]


def _workers(sizes: Sizes) -> Measurement:
    subjects = [_crew(who, workers, sizes.jobs) for who in CLAIMERS for workers in WORKERS]
    title = f"Drain {sizes.jobs:,} jobs that do nothing with 1 to 8 workers on this machine"
    note = "Raw: that many plain clients that claim and finish in batches of 100, so what the database can do."
    return Measurement("scaling_workers", title, tuple(subjects), (), note)


def _crew(who: str, workers: int, count: int) -> Subject:
    module = f"bench.subjects.{CLAIMERS[who]}"
    drain = step("bench.subjects.crew:together", call=f"{module}:drain_share", workers=workers, count=count)
    return Subject(f"{who}, {workers}", (step(f"{module}:fill", count=count), drain))


def _rows(sizes: Sizes) -> Measurement:
    count = sizes.jobs // 2
    queued = (sizes.jobs, sizes.backlog // 5, sizes.backlog * 2)
    subjects = [part_of(f"{each:,} queued", each, count, SETTLE) for each in queued]
    return Measurement("scaling_rows", f"Run {count:,} jobs of few and of many", tuple(subjects), ())
