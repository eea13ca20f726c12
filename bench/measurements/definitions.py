"""What definitions cost: loading and listing many, building a graph, and letting them wait."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Step, Subject, step

__all__ = ["plan"]

DEFINITIONS = 10_000
NODES = 1_000


def plan(sizes: Sizes) -> list[Measurement]:
    """The numbers are fixed: what is promised is promised for these, on every store."""
    return [
        Measurement(
            "definitions",
            f"Load and list {DEFINITIONS:,} definitions; build and drain a graph of {NODES:,}; drain beside the idle",
            (
                Subject("file", (_step("load", count=DEFINITIONS),)),
                Subject("graph", (_step("build", count=NODES),)),
                Subject("graph, drained", (_step("drain_graph", count=NODES),)),
                Subject("beside", (_step("drain_beside", count=sizes.jobs // 4, definitions=DEFINITIONS),)),
            ),
            (
                Floor("milliseconds to load at most", ("file", "load_ms"), 3_000, at_most=True),
                Floor("milliseconds to list at most", ("file", "list_ms"), 1_000, at_most=True),
                Floor("milliseconds to store the graph at most", ("graph", "build_ms"), 1_000, at_most=True),
                Floor("of the plain drain rate", ("graph, drained", "per_s"), 0.5, ("graph, drained", "plain_per_s")),
                Floor("of the rate without definitions", ("beside", "per_s"), 0.95, ("beside", "alone_per_s")),
            ),
            note="Rates that are held against each other were taken in turns, in one process.",
        )
    ]


def _step(name: str, **values: int) -> Step:
    return step(f"bench.subjects.jobyard_definitions:{name}", **values)
