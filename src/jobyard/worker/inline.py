"""A worker that runs its jobs in the thread which asks for them, one at a time: for tests and debuggers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from jobyard.model.messages import Outcome, Run
from jobyard.worker.attempt import Attempt
from jobyard.worker.execute import Step
from jobyard.worker.host import Host
from jobyard.worker.hosts import Hosts
from jobyard.worker.slots import ThreadSlot
from jobyard.worker.tally import Summary
from jobyard.worker.worker import Worker

__all__ = ["InlineWorker"]


class InlineSlot(ThreadSlot):
    """A slot without a thread of its own: whoever calls `serve` runs the jobs."""

    def hand(self, run: Run | None) -> None:
        with suppress(RuntimeError):  # the worker and the host may both tell it to end
            super().hand(run)

    def told(self, attempt: Attempt) -> None:
        if (task := attempt.task) is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def _call(self, attempt: Attempt, step: Step) -> Outcome:
        if not step.task.is_async or _has_loop():
            return super()._call(attempt, step)
        args, kwargs = step.decode()
        return step.returned(asyncio.run(_as_task(attempt, step.task.function(*args, **kwargs))))


class InlineHost(Host):
    """A host whose only slot is an `InlineSlot`. A run that it gives up leaves it to a thread, like any other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slot = InlineSlot(self, 0)
        self._idle.append(self.slot)

    def _is_async(self, run: Run) -> bool:
        return False


class InlineHosts(Hosts):
    """One host for all runs, those with a process of their own included."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # In the thread that runs the jobs, so that they see its context variables.
        self.host = InlineHost(
            self._tasks.known,
            slots=1,
            send=self._send,
            codec=self._codec,
            link=self._link,
            options=self._options(),
        )

    def start(self) -> None:
        self._shared = [self.host]
        self.host.start()

    def place(self, run: Run) -> Host:
        return self.host


class InlineWorker(Worker):
    """Runs each job in the thread that calls `run_until_idle`."""

    hosts_class = InlineHosts
    _hosts: InlineHosts

    def run_until_idle(self) -> Summary:
        slot = self._hosts.host.slot
        with ThreadPoolExecutor(1, "jobyard-claimer") as pool:
            done = pool.submit(super().run_until_idle)
            done.add_done_callback(lambda _: slot.hand(None))
            try:
                slot.serve()
            except BaseException:
                self.stop()
                raise
        return done.result()

    def _pause(self, what: str, failures: int) -> None:
        """A worker waits until the store is back; a test is told what is the matter."""
        raise self._last_error


async def _as_task(attempt: Attempt, coroutine: Coroutine[Any, Any, Any]) -> Any:
    attempt.task = task = asyncio.current_task()
    if attempt.canceling and task is not None:  # told before there was a task to cancel
        task.cancel()
    try:
        return await coroutine
    finally:
        attempt.task = None


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
