"""A foreign runner: it takes jobs for a machine, as many as that may have, and runs a command for each."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from jobyard.cli import format, output
from jobyard.cli.run_external.job import ExternalJob, Plan
from jobyard.errors import StoreError
from jobyard.model.definition import GOOD
from jobyard.worker.signals import stop_signals

if TYPE_CHECKING:
    from jobyard.yard import Yard

__all__ = ["Runner"]

_APART = 1.0
"""The fewest seconds between two calls that find nothing."""


class Runner:
    """Takes and runs jobs until it is told to stop."""

    def __init__(self, yard: Yard, plan: Plan, *, machine: str, limit: int, queue: str | None) -> None:
        self.failed = 0
        """Jobs that ended, and not with a success."""
        self.interrupted = 0
        """Jobs whose command was stopped because the runner was."""
        self._yard = yard
        self._plan = plan
        self._machine = machine
        self._limit = limit
        self._queue = queue
        self._running: dict[threading.Thread, ExternalJob] = {}
        # Not an Event: the handler of a signal rings it, and may have interrupted this very thread within its lock.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._stops = 0
        self._announced = False
        self._stop_at = float("inf")
        self._asked = float("-inf")

    def run(self, *, until_idle: bool = False) -> None:
        """
        Take jobs until the first SIGTERM or SIGINT, and let those that run end for `shutdown_grace`.

        The second signal stops them at once: their commands are told to end, and the jobs go to others.
        """
        forget = self._yard.store.driver.listen(self._wake)
        try:
            with stop_signals(self._told):
                self._serve(until_idle)
        finally:
            forget()

    def _serve(self, until_idle: bool) -> None:
        while True:
            while not self._bell.empty():
                self._bell.get()
            self._note_ends()
            self._announce_stop()
            if time.monotonic() >= self._stop_at:
                for job in self._running.values():
                    job.stop()
            took = False if self._stops else self._try_to_take()
            if not self._running and (self._stops or (until_idle and took is False)):
                return
            if not took:
                with suppress(Empty):
                    self._bell.get(timeout=max(self._pause(), 0.0))

    def _wake(self) -> None:
        self._bell.put(None)

    def _told(self, count: int) -> None:
        self._stops = count
        self._stop_at = time.monotonic() + (self._yard.settings.shutdown_grace if count == 1 else 0.0)
        self._wake()

    def _announce_stop(self) -> None:
        if self._stops and self._running and not self._announced:
            self._announced = True
            grace = format.compact(self._yard.settings.shutdown_grace)
            jobs = format.plural(len(self._running), "job")
            output.warn(f"stopping: {jobs} may end within {grace}; a second signal stops them at once")

    def _try_to_take(self) -> bool | None:
        """Start one job, if there is one for this machine; None: nobody knows."""
        try:
            return len(self._running) < self._limit and self._is_time() and self._take()
        except StoreError as error:
            output.warn(f"could not ask for a job: {error}; again in {self._yard.settings.poll:g} s")
            return None

    def _is_time(self) -> bool:
        """Whether to ask: there may be a job, or the machine was not heard of for a while."""
        since = time.monotonic() - self._asked
        return since >= self._yard.settings.poll or (since >= _APART and self._yard.workflow.is_job_due(self._queue))

    def _take(self) -> bool:
        workflow = self._yard.workflow
        job = workflow.get_job_for_machine(self._machine, self._limit, self._queue)
        if job is None:
            self._asked = time.monotonic()
            return False
        self._asked = float("-inf")
        run = ExternalJob(workflow, job, self._plan)
        output.warn(f"job {run.id} ({run.name}) started on {self._machine}")
        thread = threading.Thread(target=self._attend, args=(run,), name=f"jobyard-job-{run.id}", daemon=True)
        self._running[thread] = run
        thread.start()
        return True

    def _attend(self, run: ExternalJob) -> None:
        began = time.monotonic()
        run.run()
        how = run.result or ("stopped" if run.interrupted else "it is no longer ours")
        output.warn(f"job {run.id} ({run.name}): {how} after {format.length(time.monotonic() - began)}")
        self._wake()

    def _note_ends(self) -> None:
        for thread, run in list(self._running.items()):
            if not thread.is_alive():
                del self._running[thread]
                self._asked = float("-inf")
                self.interrupted += run.interrupted
                self.failed += run.result is not None and run.result not in GOOD

    def _pause(self) -> float:
        """Seconds to wait for something to happen."""
        now, poll = time.monotonic(), self._yard.settings.poll
        if self._stops:
            return min(poll, self._stop_at - now) if now < self._stop_at else _APART
        if now - self._asked < _APART:
            return _APART - (now - self._asked)
        return poll if len(self._running) >= self._limit else min(poll, self._until_due())

    def _until_due(self) -> float:
        """Seconds until the next job may be due."""
        store = self._yard.store
        try:
            with store.read() as tx:
                due = store.jobs.next_due(tx)
        except StoreError:
            return _APART
        return self._yard.settings.poll if due is None else max(_APART, (due - store.now()) / 1e6)
