"""How fast jobs are stored."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step

__all__ = ["postgres", "sqlite"]

RATE, RAW = ("jobyard", "per_s"), ("raw", "per_s")


def sqlite(sizes: Sizes) -> list[Measurement]:
    """One at a time, and many at once."""
    return [_singles(sizes), _many(sizes)]


def postgres(sizes: Sizes) -> list[Measurement]:
    """The same, beside peers that can do it."""
    return [
        Measurement(
            "enqueue",
            "Enqueue one at a time, each durable",
            _with_peers("enqueue", sizes.singles),
            (Floor("of the raw single insert", RATE, 0.8, RAW),),
        ),
        Measurement(
            "enqueue_many",
            f"Enqueue {sizes.jobs:,} at once",
            _with_peers("enqueue_many", sizes.jobs),
            (Floor("times pgqueuer", RATE, 1.3, ("pgqueuer", "per_s")),),
            "Raw, pgqueuer and procrastinate: 1,000 rows a commit. jobyard: all or none.",
        ),
    ]


def _with_peers(name: str, count: int) -> tuple[Subject, ...]:
    modules = ("raw_postgres", "jobyard_yard", "pgqueuer_postgres", "procrastinate_postgres")
    return tuple(
        Subject(module.partition("_")[0], (step(f"bench.subjects.{module}:{name}", count=count),)) for module in modules
    )


def _singles(sizes: Sizes) -> Measurement:
    return Measurement(
        "enqueue",
        "Enqueue one at a time, each durable",
        (
            Subject("raw", (step("bench.subjects.raw_sqlite:enqueue", count=sizes.singles),)),
            Subject("jobyard", (step("bench.subjects.jobyard_yard:enqueue", count=sizes.singles),)),
            Subject("huey", (step("bench.subjects.huey_sqlite:enqueue", count=sizes.singles),)),
        ),
        (Floor("of the raw single insert", RATE, 0.7, RAW),),
    )


def _many(sizes: Sizes) -> Measurement:
    return Measurement(
        "enqueue_many",
        f"Enqueue {sizes.jobs:,} at once",
        (
            Subject("raw", (step("bench.subjects.raw_sqlite:enqueue_many", count=sizes.jobs),)),
            Subject("jobyard", (step("bench.subjects.jobyard_yard:enqueue_many", count=sizes.jobs),)),
            Subject("huey", (step("bench.subjects.huey_sqlite:enqueue", count=sizes.singles),)),
        ),
        (Floor("of the raw insert", RATE, 0.25, RAW),),
        "Raw: 1,000 rows a commit. huey has no bulk enqueue: one by one.",
    )
