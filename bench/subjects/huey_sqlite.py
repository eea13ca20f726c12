"""
huey on SQLite: as durable as the others (``fsync``: synchronous=FULL), every result kept, its best settings.

In a drain a bigger page cache and the consumer's default delays make no difference. One thread runs no-ops about a
fifth faster than ten, which wait for one lock, so it is measured beside them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from huey import SqliteHuey
from huey.api import TaskWrapper
from huey.consumer import Consumer

from bench.subjects.clock import Stopwatch, latency_figures
from bench.subjects.timing import Sender, time_starts

__all__ = ["drain", "enqueue", "fill", "latency", "serve"]

POLL_S = 0.001


class App:
    """A huey on this file with the tasks of the measurements."""

    def __init__(self, url: str) -> None:
        self.huey = SqliteHuey("bench", filename=url.removeprefix("sqlite:///"), fsync=True, store_none=True)
        self.done: list[None] = []
        self.arrived: list[int] = []
        self.noop: TaskWrapper = self.huey.task(name="noop")(lambda: self.done.append(None))
        self.arrive: TaskWrapper = self.huey.task(name="arrive")(self._arrive)
        self.report: TaskWrapper = self.huey.task(name="report")(self._report)

    def _arrive(self, sent: int) -> None:
        self.arrived.append(time.monotonic_ns() - sent)

    def _report(self, path: str) -> None:
        part = Path(path).with_suffix(".part")
        part.write_text(json.dumps(self.arrived))
        part.rename(path)

    def consumer(self, workers: int) -> Consumer:
        """Threads that look for work every millisecond, and none of the consumer's other loops."""
        return Consumer(
            self.huey, workers=workers, periodic=False, initial_delay=POLL_S, backoff=1.0, max_delay=POLL_S,
            check_worker_health=False,
        )  # fmt: skip


def enqueue(url: str, count: int) -> dict[str, float]:
    """One job a commit; huey has no other way."""
    app = App(url)
    app.noop()
    watch = Stopwatch()
    for _ in range(count):
        app.noop()
    return {"per_s": watch.per_s(count)}


def fill(url: str, count: int) -> None:
    """Queue *count* no-ops in one commit, past huey's own way: this is not what is measured."""
    app = App(url)
    rows = [("bench", app.huey.serialize_task(app.noop.s())) for _ in range(count)]
    with app.huey.storage.db(commit=True) as cursor:
        cursor.executemany("insert into task (queue, data, priority) values (?, ?, 0)", rows)


def drain(url: str, count: int, workers: int = 10) -> dict[str, float]:
    """Run all that is queued, from the start of the consumer to the last stored result."""
    app = App(url)
    consumer = app.consumer(workers)
    watch = Stopwatch()
    consumer.start()
    while len(app.done) < count:
        time.sleep(0.005)
    consumer.stop(graceful=True)
    rate = watch.per_s(count)
    assert app.huey.storage.result_store_size() == count
    return {"per_s": rate}


def serve(url: str, workers: int = 1) -> None:
    """A consumer, until it is told to stop."""
    App(url).consumer(workers).run()


def latency(url: str, samples: int) -> dict[str, float]:
    """From before the enqueue here to the first line of the task there."""
    app = App(url)
    sender = Sender(lambda: app.arrive(time.monotonic_ns()), lambda path: app.report(str(path)))
    return latency_figures(time_starts(url, "bench.subjects.huey_sqlite:serve", sender, samples))
