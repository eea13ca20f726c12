"""procrastinate: its worker runs ten jobs at the same time, finished jobs stay, which is its default."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from bench.subjects.clock import Stopwatch, latency_figures
from bench.subjects.raw_sqlite import batches
from bench.subjects.timing import Sender, time_starts

__all__ = ["drain", "drain_share", "enqueue", "enqueue_many", "fill", "latency", "serve"]

CONCURRENCY = 10


class Peer:
    """An app of procrastinate with the tasks of the measurements."""

    def __init__(self, connector: PsycopgConnector | SyncPsycopgConnector) -> None:
        self.app = App(connector=connector)
        self.done = 0
        self.arrived: list[int] = []
        self.noop = self.app.task(name="noop")(self._noop)
        self.arrive = self.app.task(name="arrive")(self._arrive)
        self.report = self.app.task(name="report")(self._report)

    async def _noop(self) -> None:
        self.done += 1

    async def _arrive(self, sent: int) -> None:
        self.arrived.append(time.monotonic_ns() - sent)

    async def _report(self, path: str) -> None:
        part = Path(path).with_suffix(".part")
        part.write_text(json.dumps(self.arrived))
        part.rename(path)


def _peer(url: str) -> Peer:
    """One that enqueues; its tables are made if they are not there."""
    peer = Peer(SyncPsycopgConnector(conninfo=url))
    peer.app.open()
    if not peer.app.check_connection():
        peer.app.schema_manager.apply_schema()
    return peer


def enqueue(url: str, count: int) -> dict[str, float]:
    """One job a commit."""
    peer = _peer(url)
    peer.noop.defer()
    watch = Stopwatch()
    for _ in range(count):
        peer.noop.defer()
    rate = watch.per_s(count)
    peer.app.close()
    return {"per_s": rate}


def enqueue_many(url: str, count: int) -> dict[str, float]:
    """A thousand jobs a commit."""
    peer = _peer(url)
    watch = Stopwatch()
    _enqueue_many(peer, count)
    rate = watch.per_s(count)
    peer.app.close()
    return {"per_s": rate}


def _enqueue_many(peer: Peer, count: int) -> None:
    for size in batches(count):
        peer.noop.batch_defer(*[{}] * size)


def fill(url: str, count: int) -> None:
    """Queue *count* jobs."""
    peer = _peer(url)
    _enqueue_many(peer, count)
    peer.app.close()


def drain_share(url: str) -> dict[str, float]:
    """Run what is queued, until nothing is; how many that were."""
    return {"count": asyncio.run(_work(url, wait=False))}


async def _work(url: str, *, wait: bool) -> int:
    peer = Peer(PsycopgConnector(conninfo=url))
    async with peer.app.open_async():
        await peer.app.run_worker_async(wait=wait, concurrency=CONCURRENCY)
    return peer.done


def drain(url: str, count: int) -> dict[str, float]:
    """Run all that is queued, the start and the end of the worker included."""
    watch = Stopwatch()
    share = drain_share(url)
    rate = watch.per_s(count)
    assert share["count"] == count, share
    return {"per_s": rate}


def serve(url: str) -> None:
    """A worker, until it is told to stop."""
    asyncio.run(_work(url, wait=True))


def latency(url: str, samples: int) -> dict[str, float]:
    """From before the enqueue here to the first line of the task there."""
    peer = _peer(url)
    sender = Sender(lambda: peer.arrive.defer(sent=time.monotonic_ns()), lambda path: peer.report.defer(path=str(path)))
    times = time_starts(url, "bench.subjects.procrastinate_postgres:serve", sender, samples)
    peer.app.close()
    return latency_figures(times)
