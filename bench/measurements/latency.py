"""How soon an idle worker begins a job that another process enqueues."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["postgres", "sqlite"]


def sqlite(sizes: Sizes) -> list[Measurement]:
    """In an empty file, and in one full of jobs that wait, are scheduled or are finished."""
    note = "huey: one thread that looks every millisecond, which is what its time costs."
    return [_measurement("sqlite", ("huey",), sizes, 1.5, 6, note)]


def postgres(sizes: Sizes) -> list[Measurement]:
    """The same, beside peers that are notified too."""
    return [_measurement("postgres", ("pgqueuer", "procrastinate"), sizes, 2, 7, "")]


def _measurement(store: str, peers: tuple[str, ...], sizes: Sizes, p50: float, p99: float, note: str) -> Measurement:
    jobyard = step("bench.subjects.jobyard_yard:latency", samples=sizes.samples)
    others = (Subject(peer, (step(f"bench.subjects.{peer}_{store}:latency", samples=sizes.samples),)) for peer in peers)
    return Measurement(
        "latency",
        "From enqueue to start, idle worker, two processes",
        (Subject("jobyard", (jobyard,)), _crowded(store, sizes, jobyard), *others),
        (*_floors("jobyard", p50, p99), *_floors("jobyard, crowded", p50, p99)),
        f"Crowded: {sizes.waiting:,} wait for another, {sizes.scheduled:,} are scheduled and {sizes.finished:,} "
        f"finished in the same store. {note}".rstrip(),
    )


def _crowded(store: str, sizes: Sizes, jobyard: Step) -> Subject:
    first = step("bench.subjects.jobyard_yard:fill", count=0)
    crowd = step(
        f"bench.subjects.crowd_{store}:crowd",
        waiting=sizes.waiting,
        scheduled=sizes.scheduled,
        finished=sizes.finished,
    )
    return Subject("jobyard, crowded", (first, crowd, jobyard))


def _floors(subject: str, p50: float, p99: float) -> tuple[Floor, ...]:
    return (
        Floor(f"{subject}: p50, ms at most", (subject, "p50_ms"), p50, at_most=True),
        Floor(f"{subject}: p99, ms at most", (subject, "p99_ms"), p99, at_most=True),
    )
