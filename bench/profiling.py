"""Where the time of a drain goes: the claimer's functions by own time, and the processor time of the threads."""

from __future__ import annotations

import cProfile
import json
import pstats
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measurement import Step, step
from bench.place import PLACES
from bench.runner import ROOT, command

__all__ = ["profile_claimer", "profile_table", "profile_threads"]

TOP = 20
WATCH_S = 0.01


def profile_table(store: str, count: int) -> str:
    """Both tables, as text."""
    fill = step("bench.subjects.jobyard_yard:fill", count=count)
    parts = [
        _run(store, (fill, step(f"bench.profiling:{name}", count=count)))
        for name in ("profile_threads", "profile_claimer")
    ]
    return "\n\n".join(_fenced(part) for part in parts)


def _fenced(part: dict[str, float]) -> str:
    total = sum(part.values())
    lines = [f"{value:8.2f} us a job  {value / total:5.1%}  {name}" for name, value in part.items()]
    return "\n".join(["```", *lines, "```"])


def _run(store: str, steps: tuple[Step, ...]) -> dict[str, float]:
    with PLACES[store]() as url:
        for each in steps:
            done = subprocess.run(command(each, url), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    shares: dict[str, float] = json.loads(done.stdout)
    return shares


def profile_claimer(url: str, count: int) -> dict[str, float]:
    """Microseconds a job in each of the top functions of the claimer, which runs in the thread that calls it."""
    from bench.app import yard

    worker = yard.worker()
    profiler = cProfile.Profile()
    profiler.runcall(worker.run_until_idle)
    return _top(pstats.Stats(profiler), count)


def _top(stats: pstats.Stats, count: int) -> dict[str, float]:
    # `stats` is there and documented by use alone: (file, line, name) to (calls, primitive calls, own time, ...).
    times: dict[tuple[str, int, str], tuple[int, int, float]] = stats.stats  # type: ignore[attr-defined]
    own = {_label(*where): numbers[2] * 1e6 / count for where, numbers in times.items()}
    best = dict(sorted(own.items(), key=lambda item: -item[1])[:TOP])
    return best | {"all the rest": sum(own.values()) - sum(best.values())}


def _label(file: str, line: int, name: str) -> str:
    return name if file == "~" else f"{'/'.join(Path(file).parts[-3:])}:{line} {name}"


def profile_threads(url: str, count: int) -> dict[str, float]:
    """Microseconds of processor time a job, by the name of the thread without its number."""
    from bench.app import yard

    worker = yard.worker()
    with _watched() as seconds:
        worker.run_until_idle()
    kinds: Counter[str] = Counter()
    for name, value in seconds.items():
        kinds[name.rstrip("0123456789-_ ")] += value * 1e6 / count  # type: ignore[assignment]
    return dict(kinds.most_common())


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """The processor time of each thread, as last seen, since threads take their clocks along when they end."""
    seconds: dict[str, float] = {}
    stop = threading.Event()
    main = time.thread_time()
    watcher = threading.Thread(target=_watch, args=(seconds, stop), name="watcher")
    watcher.start()
    try:
        yield seconds
    finally:
        stop.set()
        watcher.join()
        seconds.pop("watcher", None)
        seconds["MainThread"] = time.thread_time() - main


def _watch(seconds: dict[str, float], stop: threading.Event) -> None:
    while not stop.wait(WATCH_S):
        for thread in threading.enumerate():
            try:
                clock = time.pthread_getcpuclockid(thread.ident or 0)
                seconds[thread.name] = time.clock_gettime(clock)
            except OSError:
                continue  # it ended meanwhile
