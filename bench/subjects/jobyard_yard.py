"""jobyard through its public surface alone, on whatever store the URL names."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from bench.app import anoop, arrive, count_to, counted, noop, report, spin, yard
from bench.subjects.clock import Stopwatch, latency_figures, peak_mib
from bench.subjects.raw_sqlite import batches
from bench.subjects.timing import Sender, time_starts
from jobyard import Job

__all__ = ["drain", "drain_part", "drain_share", "enqueue", "enqueue_many", "fill", "first_job", "latency", "serve"]

TASKS = {"noop": noop, "anoop": anoop, "counted": counted, "spin": spin}
CONCURRENCY = 10
CHUNK = 20_000


def enqueue(url: str, count: int) -> dict[str, float]:
    """One job a commit."""
    yard.install()
    noop.enqueue()
    watch = Stopwatch()
    for _ in range(count):
        noop.enqueue()
    return {"per_s": watch.per_s(count)}


def enqueue_many(url: str, count: int) -> dict[str, float]:
    """All in one call, from the arguments to the jobs with their ids."""
    yard.install()
    noop.enqueue()
    watch = Stopwatch()
    yard.enqueue_many([noop.new() for _ in range(count)])
    return {"per_s": watch.per_s(count)}


def fill(url: str, count: int, task: str = "noop") -> None:
    """Install the store and queue *count* jobs of this task."""
    yard.install()
    for size in batches(count, CHUNK):
        yard.enqueue_many([TASKS[task].new() for _ in range(size)])


def drain(url: str, count: int, processes: int = 1) -> dict[str, float]:
    """
    Run all that is queued.

    `per_s` has the start and the end of the worker in it; `steady_per_s`, by the times in the rows, is from the start
    of the first job to the end of the last.
    """
    worker = yard.worker(concurrency=CONCURRENCY, processes=processes)
    watch = Stopwatch()
    summary = worker.run_until_idle()
    rate = watch.per_s(count)
    peak = peak_mib()
    assert summary.succeeded == count, summary
    return {"per_s": rate, "steady_per_s": count / _span_s(yard.jobs(limit=None)), "peak_mib": peak}


def drain_share(url: str) -> dict[str, float]:
    """Run what is queued, until nothing is; how many that were."""
    return {"count": yard.worker(concurrency=CONCURRENCY).run_until_idle().succeeded}


def _span_s(jobs: list[Job]) -> float:
    began = min(job.ops[0].exec_at or job.started_at for job in jobs)
    return float((max(job.ended_at for job in jobs) - began).total_seconds())


def drain_part(url: str, count: int) -> dict[str, float]:
    """Run *count* of the jobs that are queued, from the start of the first to that of the last, and stop."""
    worker = yard.worker(concurrency=CONCURRENCY)
    times: list[float] = []

    def note() -> None:
        times.append(time.perf_counter())

    def stop() -> None:
        note()
        worker.stop()

    count_to({1: note, count: stop})
    worker.run()
    return {"per_s": (count - 1) / (times[1] - times[0])}


def serve(url: str) -> None:
    """A worker, until it is told to stop."""
    yard.worker(concurrency=CONCURRENCY).run()


def latency(url: str, samples: int) -> dict[str, float]:
    """From before the enqueue here to the first line of the task there."""
    yard.install()
    sender = Sender(lambda: arrive.enqueue(time.monotonic_ns()), lambda path: report.enqueue(str(path)))
    return latency_figures(time_starts(url, "bench.subjects.jobyard_yard:serve", sender, samples))


def first_job(url: str) -> dict[str, float]:
    """From the start of the process of `jobyard worker` to the end of its first job, as it stands in the row."""
    job = noop.enqueue()
    began = time.time()
    worker = subprocess.Popen([sys.executable, "-m", "jobyard", "--app", "bench.app:yard", "--url", url, "worker"])
    job.wait(timeout=30)
    worker.send_signal(signal.SIGTERM)
    worker.wait(30)
    return {"ms": (job.ended_at.timestamp() - began) * 1000}
