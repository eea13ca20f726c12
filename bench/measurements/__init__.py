"""The measurements, a module for each question, in the order in which they are run and reported."""

from __future__ import annotations

from bench.measurement import Measurement, Plan, Sizes
from bench.measurements import (
    backlog,
    clients,
    definitions,
    drain,
    enqueue,
    footprint,
    idle,
    latency,
    processes,
    scaling,
    wal,
    workers,
)

__all__ = ["plan"]

PLANS: dict[str, tuple[Plan, ...]] = {
    "sqlite": (
        enqueue.sqlite,
        drain.sqlite,
        processes.sqlite,
        backlog.sqlite,
        latency.sqlite,
        footprint.sqlite,
        definitions.plan,
    ),
    "postgres": (
        enqueue.postgres,
        clients.postgres,
        drain.postgres,
        workers.postgres,
        backlog.postgres,
        latency.postgres,
        wal.postgres,
        idle.postgres,
        scaling.postgres,
        definitions.plan,
    ),
}
"""By kind of store: another database brings its own raw limit, peers and floors for the same questions."""


def plan(store: str, sizes: Sizes) -> list[Measurement]:
    """All measurements of this kind of store."""
    return [measurement for make in PLANS[store] for measurement in make(sizes)]
