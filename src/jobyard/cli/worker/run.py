"""The worker as a program: what it says, whom it tells that it is well, and when it starts again."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobyard.cli import format
from jobyard.cli.failure import FAILED
from jobyard.cli.worker.display import Display, open_display
from jobyard.cli.worker.health import HealthFile, ServiceManager
from jobyard.cli.worker.reload import Reloader
from jobyard.cli.worker.ticker import Ticker
from jobyard.config import notify_socket
from jobyard.model.events import WorkerStarted

if TYPE_CHECKING:
    from jobyard.worker import Summary, Worker
    from jobyard.yard import Yard

__all__ = ["Plan", "run"]


@dataclass(frozen=True)
class Plan:
    """What the options of the command say about the program, as opposed to the settings."""

    name: str | None = None
    until_idle: bool = False
    max_jobs: int | None = None
    max_memory: int | None = None
    health_file: str | None = None
    reload: bool = False


def run(yard: Yard, plan: Plan) -> int:
    """Run a worker as planned; returns the exit code of the program."""
    worker = yard.worker(name=plan.name)
    worker.max_jobs, worker.max_memory = plan.max_jobs, plan.max_memory
    reloader = Reloader(worker.stop) if plan.reload else None
    with ExitStack() as stack:
        display = stack.enter_context(open_display(yard, worker))
        stack.callback(yard.emitter.on(WorkerStarted, lambda _: display.say(_headline(yard, worker))))
        if plan.health_file:
            stack.enter_context(HealthFile(plan.health_file, worker))
        if socket := notify_socket():
            stack.enter_context(ServiceManager(socket, yard, worker))
        if reloader:
            stack.enter_context(Ticker("reload", 1.0, lambda: reloader.look(display.say)))
        code = _until_idle(worker, display) if plan.until_idle else worker.run()
    if reloader and reloader.changed:
        yard.close()
        reloader.start_again()
    return code


def _until_idle(worker: Worker, display: Display) -> int:
    summary = worker.run_until_idle()
    display.say(_in_words(summary))
    return FAILED if summary.failed else 0


def _in_words(summary: Summary) -> str:
    counts = {
        name: getattr(summary, name) for name in ("succeeded", "failed", "skipped", "canceled", "retried", "left")
    }
    always = ("succeeded", "failed")
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name in always)


def _headline(yard: Yard, worker: Worker) -> str:
    """Where the jobs lie comes first: a worker on another file than the one that is written to is a common mistake."""
    queues = ", ".join(worker.queues) if worker.queues else "all"
    slots = format.plural(worker.concurrency, "slot")
    processes = format.plural(worker.processes, "process", "processes")
    tasks = format.plural(len(yard.tasks), "task")
    return f"worker {worker.name} on {yard.store.location}: queues {queues}, {slots} in {processes}, {tasks}"
