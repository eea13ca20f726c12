"""
What tests of code that uses jobyard need.

A test has three steps: call the code, look at what it enqueued, run that. Nothing sleeps, and no worker is started::

    def test_a_new_picture_gets_a_thumbnail(yard):
        shop.add_picture("cat.png")

        [job] = enqueued(thumbnail)
        assert job.ops[0].args == ("cat.png",)

        assert run_now(yard).succeeded == 1
        assert job.refresh().result == "cat.thumb.png"

`run_now` runs the jobs in the thread of the test, one after another: breakpoints, ``monkeypatch``, ``caplog`` and
context variables work as if the test had called the tasks itself. All else is as in production: the same claims,
retries, timeouts and transactions, on a SQLite file.

The fixture ``yard`` comes with the pytest plugin, which is active wherever jobyard is installed. It is the yard of the
application, moved to an empty store for the test. pytest finds it by ``jobyard_app = "shop.jobs:yard"`` in its own
settings, or else by the setting ``app`` (``jobyard.toml``, ``JOBYARD_APP``); without either it is a yard of its own.
Its clock stands still until the test moves it::

    def test_a_failed_upload_is_tried_again_after_a_minute(yard):
        upload.using(retry=Retry(2, delay=60, jitter=0)).enqueue("cat.png")

        assert run_now(yard).retried == 1
        assert run_now(yard).left == 1
        yard.clock.advance(60)
        assert run_now(yard).failed == 1

A test that calls a task (``thumbnail("cat.png")``) needs none of this: that is a plain function call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from jobyard.model.instants import from_micros, to_micros

if TYPE_CHECKING:
    from jobyard.model.job import Job
    from jobyard.task import Task
    from jobyard.worker import Summary
    from jobyard.yard import Yard

__all__ = ["Clock", "enqueued", "run_now"]


def run_now(yard: Yard) -> Summary:
    """
    Run all that is ready in this thread, one job at a time, and what becomes ready meanwhile.

    Jobs that are due later, wait or are suspended are left. Tasks with ``isolation="process"`` run here too, without
    their memory limit. A coroutine gets an event loop in this thread, or one in another where this thread has one.

    Returns:
        What became of them. A job that fails raises nothing here: look at ``failed``, or at ``job.result``.
    """
    from jobyard.worker.inline import InlineWorker  # asyncio and all that runs jobs: not before it is needed

    worker = InlineWorker(
        yard.store,
        yard.tasks,
        yard.settings,
        queues=None,
        concurrency=1,
        processes=1,
        name="run_now",
        codec=yard.codec,
        link=yard.link(),
        emitter=yard.emitter,
        owner=yard,
    )
    return worker.run_until_idle()


def enqueued(task: Task[..., Any]) -> list[Job[Any]]:
    """All jobs of the task's yard that call the task, oldest first, whatever became of them."""
    names = {task.name, *task.aliases}
    jobs: list[Job[Any]] = task.yard.jobs(order="id", limit=None)
    return [job for job in jobs if not names.isdisjoint(op.task for op in job.ops)]


class Clock:
    """
    A clock that moves only when told: ``Yard(clock=Clock())``.

    It governs due times, leases, limits of staleness and retention. Timeouts and grace periods keep to real time.

    >>> clock = Clock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance(90)
    >>> clock.now().isoformat()
    '2026-01-01T00:01:30+00:00'
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = Lock()
        self._micros = to_micros(start if start is not None else datetime.now(UTC))
        self._callbacks: tuple[Callable[[], None], ...] = ()

    def now(self) -> datetime:
        return from_micros(self._micros)

    def micros(self) -> int:
        """Now, in microseconds since the epoch."""
        return self._micros

    def advance(self, seconds: float | timedelta) -> None:
        """Move the clock and wake the loops of this process."""
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        with self._lock:
            self._micros += step // timedelta(microseconds=1)
        self._wake()

    def set(self, when: datetime) -> None:
        """Move the clock to an aware datetime, also backwards, and wake the loops of this process."""
        with self._lock:
            self._micros = to_micros(when)
        self._wake()

    def subscribe(self, callback: Callable[[], None], *, first: bool = False) -> Callable[[], None]:
        """
        Call *callback* after each move, in the thread that moves, until the returned function is called.

        Those that subscribed as *first* are called before the others.
        """
        with self._lock:
            before, after = ((callback,), ()) if first else ((), (callback,))
            self._callbacks = (*before, *self._callbacks, *after)
        return lambda: self._forget(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            self._callbacks = tuple(other for other in self._callbacks if other is not callback)

    def _wake(self) -> None:
        for callback in self._callbacks:
            callback()
