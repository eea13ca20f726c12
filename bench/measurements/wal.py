"""How much a job writes: the write-ahead log is what a busy server runs out of first, and what its replicas get."""

from __future__ import annotations

from bench.measurement import Measurement, Sizes, Subject, step

__all__ = ["postgres"]

MODULES = {"raw": "raw_postgres", "jobyard": "jobyard_yard", "pgqueuer": "pgqueuer_postgres"}


def postgres(sizes: Sizes) -> list[Measurement]:
    """No floor: it is to be known."""
    enqueued = [_subject(who, "enqueue_many", sizes.jobs) for who in MODULES]
    drained = [_subject(who, "drain", sizes.jobs) for who in MODULES]
    note = "Enqueued in bulk."
    return [Measurement("wal", "Write-ahead log a job", (*enqueued, *drained), (), note)]


def _subject(who: str, name: str, count: int) -> Subject:
    module = f"bench.subjects.{MODULES[who]}"
    fill = (step(f"{module}:fill", count=count),) if name == "drain" else ()
    measured = step("bench.subjects.circumstances:wal", call=f"{module}:{name}", count=count)
    return Subject(f"{who}, {'drained' if name == 'drain' else 'enqueued'}", (*fill, measured))
