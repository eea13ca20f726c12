"""Definitions of jobyard: a long file of them, a wide graph, and many that wait for their time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.app import noop, yard
from bench.subjects.clock import Stopwatch
from bench.subjects.jobyard_yard import fill

__all__ = ["build", "drain_beside", "load"]


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
    """Store a graph, a binary tree with all of it below one more, and leave it to be drained."""
    yard.install()
    _load(count - 1, "dependencies: [{below}]")
    yard.definitions.add("all", noop, dependencies=[f"d{index}" for index in range(1, count)])
    watch = Stopwatch()
    yard.build("all", build_deps=True)
    return {"build_ms": watch.seconds() * 1000}


def drain_beside(url: str, count: int, definitions: int) -> dict[str, float]:
    """Drain plain jobs beside definitions whose next runs are hours away."""
    yard.install()
    _load(definitions, "every: 6h")
    yard.worker().run_until_idle()
    fill(url, count)
    worker = yard.worker(concurrency=10)
    watch = Stopwatch()
    assert worker.run_until_idle().succeeded == count
    return {"per_s": watch.per_s(count)}


def _load(count: int, line: str) -> None:
    entries = [
        f"  - name: d{index}\n    task: {noop.name}\n    {line.format(below=f'd{index // 2}' if index > 1 else '')}\n"
        for index in range(1, count + 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.yaml"
        path.write_text("definitions:\n" + "".join(entries))
        yard.definitions.load(path)
