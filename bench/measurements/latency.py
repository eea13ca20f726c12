"""How soon an idle worker begins a job that another process enqueues."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step

__all__ = ["sqlite"]


def sqlite(sizes: Sizes) -> list[Measurement]:
    """In an empty file, and in one full of jobs that wait, are scheduled or are finished."""
    jobyard = step("bench.subjects.jobyard_yard:latency", samples=sizes.samples)
    huey = step("bench.subjects.huey_sqlite:latency", samples=sizes.samples)
    first = step("bench.subjects.jobyard_yard:fill", count=0)
    crowd = step(
        "bench.subjects.crowd_sqlite:crowd",
        waiting=sizes.waiting,
        scheduled=sizes.scheduled,
        finished=sizes.finished,
    )
    crowded = Subject("jobyard, crowded", (first, crowd, jobyard))
    return [
        Measurement(
            "latency",
            "From enqueue to start, idle worker, two processes",
            (Subject("jobyard", (jobyard,)), crowded, Subject("huey", (huey,))),
            (*_floors("jobyard"), *_floors("jobyard, crowded")),
            f"Crowded: {sizes.waiting:,} wait for another, {sizes.scheduled:,} are scheduled and {sizes.finished:,} "
            "finished in the same file. huey: one thread that looks every millisecond, which is what its time costs.",
        )
    ]


def _floors(subject: str) -> tuple[Floor, ...]:
    return (
        Floor(f"{subject}: p50, ms at most", (subject, "p50_ms"), 1.5, at_most=True),
        Floor(f"{subject}: p99, ms at most", (subject, "p99_ms"), 6, at_most=True),
    )
