"""What a second worker brings, and a second process of one."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step
from bench.measurements.drain import filled_drain

__all__ = ["postgres"]

CREW = {"jobyard": "jobyard_yard", "pgqueuer": "pgqueuer_postgres", "procrastinate": "procrastinate_postgres"}
TWO = "two workers"


def postgres(sizes: Sizes) -> list[Measurement]:
    """Processes that start are not in the time: each worker stands ready, with everything imported."""
    theirs, processes = (f"pgqueuer, {TWO}", "per_s"), "jobyard, two processes"
    return [
        Measurement(
            "workers",
            f"Drain {sizes.jobs:,} jobs that do nothing with two workers",
            (
                _subject("jobyard", 1, sizes.jobs),
                _subject("jobyard", 2, sizes.jobs),
                Subject(processes, filled_drain(sizes.jobs, "noop", processes=2)),
                _subject("pgqueuer", 2, sizes.jobs),
                _subject("procrastinate", 2, sizes.slow_jobs),
            ),
            (
                Floor("two workers: times pgqueuer with two", (f"jobyard, {TWO}", "per_s"), 1.3, theirs),
                Floor("two processes: times pgqueuer with two", (processes, "steady_per_s"), 1.3, theirs),
            ),
        )
    ]


def _subject(who: str, workers: int, count: int) -> Subject:
    module = f"bench.subjects.{CREW[who]}"
    drain = step("bench.subjects.crew:together", call=f"{module}:drain_share", workers=workers, count=count)
    return Subject(f"{who}, {TWO if workers == 2 else 'one worker'}", (step(f"{module}:fill", count=count), drain))
