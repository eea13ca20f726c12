"""How fast one worker runs jobs that do nothing: all of the time is ours."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["filled_drain", "peer_drain", "postgres", "sqlite"]

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


def postgres(sizes: Sizes) -> list[Measurement]:
    """The same beside pgqueuer and procrastinate; and while a snapshot is held, and over a network."""
    count = sizes.jobs
    jobyard, pgqueuer = (
        Subject("jobyard", filled_drain(count, "noop")),
        Subject("pgqueuer", peer_drain("pgqueuer", count)),
    )
    return [
        Measurement(
            "drain",
            f"Drain {count:,} jobs that do nothing, history kept, one worker",
            (
                Subject("raw", peer_drain("raw", count)),
                jobyard,
                Subject("jobyard async", filled_drain(count, "anoop")),
                pgqueuer,
                Subject("procrastinate", peer_drain("procrastinate", sizes.slow_jobs)),
            ),
            tuple(floor for subject in ("jobyard", "jobyard async") for floor in _postgres_floors(subject)),
            f"jobyard: 10 threads (async: one event loop). Raw: finish and claim in one transaction, {BATCH} rows a "
            f"commit. procrastinate: {sizes.slow_jobs:,} jobs.",
        ),
        Measurement(
            "snapshot",
            f"Drain {count:,} jobs while another session holds a snapshot",
            (jobyard, *_under("snapshot", "held", (jobyard, pgqueuer))),
            (Floor("of the undisturbed", ("jobyard, held", "per_s"), 0.6, ("jobyard", "per_s")),),
        ),
        Measurement(
            "network",
            f"Drain {count:,} jobs over a network of 2 ms round trip",
            (jobyard, *_under("far", "far", (jobyard, pgqueuer))),
            (
                Floor("of the drain without", ("jobyard, far", "per_s"), 0.5, ("jobyard", "per_s")),
                Floor("times pgqueuer over the same", ("jobyard, far", "per_s"), 1, ("pgqueuer, far", "per_s")),
            ),
            "A proxy on the same machine, which takes processor time of its own, holds each message up for 1 ms.",
        ),
    ]


def peer_drain(peer: str, count: int) -> tuple[Step, ...]:
    """Fill in one process and drain in another, as above."""
    module = f"bench.subjects.{peer}_postgres"
    return (step(f"{module}:fill", count=count), step(f"{module}:drain", count=count))


def _under(circumstance: str, word: str, subjects: tuple[Subject, ...]) -> Iterator[Subject]:
    """Each with its last step under this circumstance."""
    for subject in subjects:
        *before, last = subject.steps
        changed = step(f"bench.subjects.circumstances:{circumstance}", call=last.call, **last.arguments)
        yield Subject(f"{subject.name}, {word}", (*before, changed))


def _postgres_floors(subject: str) -> tuple[Floor, ...]:
    rate = (subject, "per_s")
    return (
        Floor(f"{subject}: times pgqueuer", rate, 2, ("pgqueuer", "per_s")),
        Floor(f"{subject}: of the raw limit", rate, 0.4, ("raw", "per_s")),
    )


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
