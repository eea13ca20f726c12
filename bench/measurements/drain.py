"""How fast one worker runs jobs that do nothing: all of the time is ours."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["filled_drain", "sqlite"]

BATCH = 100
PEAK_MIB = 45


def filled_drain(count: int, task: str, processes: int = 1) -> tuple[Step, ...]:
    """Fill in one process and drain in another, whose memory is then the worker's alone."""
    return (
        step("bench.subjects.jobyard_yard:fill", count=count, task=task),
        step("bench.subjects.jobyard_yard:drain", count=count, processes=processes),
    )


def sqlite(sizes: Sizes) -> list[Measurement]:
    """Plain functions and coroutines in one go, since they are held against the same two others."""
    count = sizes.jobs
    return [
        Measurement(
            "drain",
            f"Drain {count:,} jobs that do nothing, history kept, one worker",
            (
                Subject("raw", (step("bench.subjects.raw_sqlite:drain", count=count, batch=BATCH),)),
                Subject("jobyard", filled_drain(count, "noop")),
                Subject("jobyard async", filled_drain(count, "anoop")),
                _huey("huey", count, 10),
                _huey("huey, one thread", count, 1),
            ),
            tuple(floor for subject in ("jobyard", "jobyard async") for floor in _floors(subject)),
            f"jobyard and huey: 10 threads (async: one event loop). Raw: claim and finish fused, {BATCH} a commit.",
        )
    ]


def _huey(name: str, count: int, workers: int) -> Subject:
    fill = step("bench.subjects.huey_sqlite:fill", count=count)
    return Subject(name, (fill, step("bench.subjects.huey_sqlite:drain", count=count, workers=workers)))


def _floors(subject: str) -> tuple[Floor, ...]:
    rate = (subject, "per_s")
    return (
        Floor(f"{subject}: times huey", rate, 12, ("huey", "per_s")),
        Floor(f"{subject}: of the raw limit", rate, 0.2, ("raw", "per_s")),
        Floor(f"{subject}: MiB of memory at most", (subject, "peak_mib"), PEAK_MIB, at_most=True),
    )
