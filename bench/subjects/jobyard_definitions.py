"""Definitions of jobyard: a long file of them, a wide graph, and many that wait for their time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.app import noop, yard
from bench.subjects.clock import Stopwatch
from jobyard import Yard

__all__ = ["build", "drain_beside", "drain_graph", "load"]

CONCURRENCY = 10
TURNS = 15
"""How often two things are measured, each beside the other: the machine is not as fast at one moment as at the next."""


def load(url: str, count: int) -> dict[str, float]:
    """Check and load a file, and list what it has."""
    yard.install()
    watch = Stopwatch()
    _load(count, "every: 6h")
    loaded = watch.seconds() * 1000
    watch = Stopwatch()
    assert len(yard.definitions.overview()) == count
    return {"load_ms": loaded, "list_ms": watch.seconds() * 1000}


def build(url: str, count: int) -> dict[str, float]:
    """Store a graph: a binary tree, with all of it below one more."""
    _load_graph(count)
    watch = Stopwatch()
    yard.build("all", build_deps=True)
    return {"build_ms": watch.seconds() * 1000}


def drain_graph(url: str, count: int) -> dict[str, float]:
    """Drain such a graph and as many plain jobs, in turns."""
    _load_graph(count)
    anew = {f"d{index}": None for index in range(1, count)}
    graph, plain = _in_turns(
        lambda: _drained(yard, count, lambda: yard.build("all", pins=anew)),
        lambda: _drained(yard, count, lambda: yard.enqueue_many([noop.new() for _ in range(count)])),
    )
    return {"per_s": graph, "plain_per_s": plain}


def drain_beside(url: str, count: int, definitions: int) -> dict[str, float]:
    """Drain plain jobs beside definitions whose next runs are hours away, and in a store that has none, in turns."""
    yard.install()
    _load(definitions, "every: 6h")
    yard.worker().run_until_idle()
    with Yard(_another(url)) as bare:
        bare.task(name=noop.name)(noop.function)
        bare.install()
        beside, alone = (
            lambda where=where: _drained(where, count, lambda: where.enqueue_many([noop.new() for _ in range(count)]))
            for where in (yard, bare)
        )
        rates = _in_turns(beside, alone)
    return dict(zip(("per_s", "alone_per_s"), rates, strict=True))


def _in_turns(*measured: Callable[[], float]) -> tuple[float, ...]:
    """The median of each."""
    rounds = [[each() for each in measured] for _ in range(TURNS)]
    return tuple(map(median, zip(*rounds, strict=True)))


def _drained(where: Yard, count: int, fill: Callable[[], object]) -> float:
    """The rate at which a worker that starts runs what *fill* has queued, and ends."""
    fill()
    worker = where.worker(concurrency=CONCURRENCY)
    watch = Stopwatch()
    assert worker.run_until_idle().succeeded == count
    return watch.per_s(count)


def _another(url: str) -> str:
    """A store of the same kind in the same place."""
    return url.replace(".db", "-bare.db") if url.startswith("sqlite") else f"{url}?schema=bare"


def _load_graph(count: int) -> None:
    yard.install()
    _load(count - 1, "dependencies: [{below}]")
    yard.definitions.add("all", noop, dependencies=[f"d{index}" for index in range(1, count)])


def _load(count: int, line: str) -> None:
    entries = [
        f"  - name: d{index}\n    task: {noop.name}\n    {line.format(below=f'd{index // 2}' if index > 1 else '')}\n"
        for index in range(1, count + 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.yaml"
        path.write_text("definitions:\n" + "".join(entries))
        yard.definitions.load(path)
