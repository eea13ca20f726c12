"""What definitions cost: loading and listing many, building a graph, and letting them wait."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["sqlite"]

DEFINITIONS = 10_000
NODES = 1_000


def sqlite(sizes: Sizes) -> list[Measurement]:
    """The numbers are fixed: what is promised is promised for these."""
    return [
        Measurement(
            "definitions",
            f"Load and list {DEFINITIONS:,} definitions; build and drain a graph of {NODES:,}; drain beside the idle",
            (
                Subject("file", (_step("load", count=DEFINITIONS),)),
                Subject("graph", (_step("build", count=NODES),)),
                Subject("graph, drained", (_step("build", count=NODES), _drain(NODES))),
                Subject("plain", (step("bench.subjects.jobyard_yard:fill", count=NODES, task="noop"), _drain(NODES))),
                Subject("beside none", (_step("drain_beside", count=sizes.jobs, definitions=0),)),
                Subject("beside many", (_step("drain_beside", count=sizes.jobs, definitions=DEFINITIONS),)),
            ),
            (
                Floor("milliseconds to load at most", ("file", "load_ms"), 3_000, at_most=True),
                Floor("milliseconds to list at most", ("file", "list_ms"), 1_000, at_most=True),
                Floor("milliseconds to store the graph at most", ("graph", "build_ms"), 1_000, at_most=True),
                Floor("of the plain drain rate", ("graph, drained", "per_s"), 0.5, ("plain", "per_s")),
                Floor("of the rate without definitions", ("beside many", "per_s"), 0.95, ("beside none", "per_s")),
            ),
        )
    ]


def _step(name: str, **values: int) -> Step:
    return step(f"bench.subjects.jobyard_definitions:{name}", **values)


def _drain(count: int) -> Step:
    return step("bench.subjects.jobyard_yard:drain", count=count)
