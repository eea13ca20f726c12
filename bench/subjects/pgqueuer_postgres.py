"""pgqueuer as it is fastest: asyncpg, uvloop and batches of 100; its log, which is its history, is kept."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager
from pgqueuer.domain.types import QueueExecutionMode

from bench.subjects.clock import Stopwatch, latency_figures
from bench.subjects.raw_sqlite import batches
from bench.subjects.timing import Sender, time_starts

__all__ = ["drain", "drain_share", "enqueue_many", "fill", "latency", "serve"]

BATCH = 100
T = TypeVar("T")


def _with_queries(url: str, use: Callable[[Queries], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(url)
        try:
            queries = Queries(AsyncpgDriver(connection))
            if not await queries.schema_is_installed():
                await queries.install()
            return await use(queries)
        finally:
            await connection.close()

    return uvloop.run(run())


async def _enqueue_many(queries: Queries, count: int) -> None:
    for size in batches(count):
        await queries.enqueue(["noop"] * size, [None] * size, [0] * size)


def enqueue(url: str, count: int) -> dict[str, float]:
    """One job a commit."""

    async def run(queries: Queries) -> float:
        await queries.enqueue("noop", None)
        watch = Stopwatch()
        for _ in range(count):
            await queries.enqueue("noop", None)
        return watch.per_s(count)

    return {"per_s": _with_queries(url, run)}


def enqueue_many(url: str, count: int) -> dict[str, float]:
    """A thousand jobs a commit."""

    async def run(queries: Queries) -> float:
        await queries.enqueue("noop", None)
        watch = Stopwatch()
        await _enqueue_many(queries, count)
        return watch.per_s(count)

    return {"per_s": _with_queries(url, run)}


def fill(url: str, count: int) -> None:
    """Queue *count* jobs."""
    _with_queries(url, lambda queries: _enqueue_many(queries, count))


def drain_share(url: str) -> dict[str, float]:
    """Run what is queued, until nothing is; how many that were."""
    done = 0

    async def run(queries: Queries) -> None:
        manager = QueueManager(queries)

        @manager.entrypoint("noop")
        async def noop(job: Job) -> None:
            nonlocal done
            done += 1

        await manager.run(dequeue_timeout=timedelta(0), batch_size=BATCH, mode=QueueExecutionMode.drain)

    _with_queries(url, run)
    return {"count": done}


def drain(url: str, count: int) -> dict[str, float]:
    """Run all that is queued, the start and the end of the worker included."""
    watch = Stopwatch()
    share = drain_share(url)
    rate = watch.per_s(count)
    assert share["count"] == count, share
    return {"per_s": rate}


def serve(url: str) -> None:
    """A worker, until it is told to stop."""
    arrived: list[int] = []

    async def run(queries: Queries) -> None:
        manager = QueueManager(queries)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, manager.shutdown.set)

        @manager.entrypoint("arrive")
        async def arrive(job: Job) -> None:
            arrived.append(time.monotonic_ns() - int(job.payload or b"0"))

        @manager.entrypoint("report")
        async def report(job: Job) -> None:
            path = Path((job.payload or b"").decode())
            part = path.with_suffix(".part")
            part.write_text(json.dumps(arrived))
            part.rename(path)

        await manager.run(batch_size=BATCH)

    _with_queries(url, run)


def latency(url: str, samples: int) -> dict[str, float]:
    """From before the enqueue here to the first line of the task there."""
    loop = uvloop.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(url))
    queries = Queries(AsyncpgDriver(connection))
    loop.run_until_complete(queries.install())

    def send(entrypoint: str, payload: bytes) -> None:
        loop.run_until_complete(queries.enqueue(entrypoint, payload))

    sender = Sender(
        lambda: send("arrive", str(time.monotonic_ns()).encode()), lambda path: send("report", str(path).encode())
    )
    times = time_starts(url, "bench.subjects.pgqueuer_postgres:serve", sender, samples)
    loop.run_until_complete(connection.close())
    return latency_figures(times)
