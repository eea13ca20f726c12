"""Why a job does not run yet, in words and as data, judged from facts that the store has gathered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from jobyard.model.instants import from_micros
from jobyard.model.states import Status

__all__ = ["Facts", "ParentFacts", "Reason", "WorkerFacts", "reasons"]

_PARENTS_NAMED = 20


@dataclass(frozen=True)
class Reason:
    """
    One thing a job waits for.

    `kind` is ``due``, ``paused``, ``no_worker``, ``unknown_task``, ``dependency``, ``resource``, ``backoff``,
    ``suspended`` or ``limit``; `text` is for people and names task and queue; `data` is JSON-able, for programs.
    """

    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerFacts:
    """A worker: which queues it serves (None: all), which tasks it knows (None: not told), and how busy it is."""

    name: str
    queues: AbstractSet[str] | None = None
    tasks: AbstractSet[str] | None = None
    online: bool = True
    running: int = 0
    concurrency: int | None = None

    def serves(self, queue: str) -> bool:
        return self.online and (self.queues is None or queue in self.queues)

    def knows(self, task: str) -> bool:
        return self.tasks is None or task in self.tasks

    @property
    def is_full(self) -> bool:
        return self.concurrency is not None and self.running >= self.concurrency


@dataclass(frozen=True)
class ParentFacts:
    """An unfinished job that this one waits for, and the ends of it that are accepted."""

    id: int
    task: str
    status: Status
    accepted: AbstractSet[Status]


@dataclass(frozen=True)
class Facts:
    """
    What is known of the job. `due` and `now` are microseconds; `store` says where the jobs lie (the absolute file).

    `parents` may be the first few of `open_parents`. `suspended` and `last_error` are short texts.
    """

    job: int
    status: Status
    queue: str
    task: str
    due: int
    now: int
    store: str
    paused: bool = False
    workers: Sequence[WorkerFacts] = ()
    parents: Sequence[ParentFacts] = ()
    open_parents: int = 0
    failures: int = 0
    last_error: str | None = None
    suspended: str | None = None

    @property
    def subject(self) -> str:
        """How each text begins."""
        return f"job {self.job} ({self.task} on queue {self.queue})"


def reasons(facts: Facts) -> list[Reason]:
    """
    All that keeps the job from running now. Empty for one that runs or is final, and for one about to be claimed.

    A job that is not ready (suspended, waiting, not due) is told what makes it ready; what a ready one lacks (an open
    queue, a worker that knows the task, a free slot) says nothing about a day that has not come. The last text ends
    with the place of the jobs, as a worker that looks at another file is what people find out last.
    """
    found = _found(facts)
    if found:
        found[-1] = replace(found[-1], text=f"{found[-1].text}. The jobs lie in {facts.store}")
    return found


def _found(facts: Facts) -> list[Reason]:
    match facts.status:
        case Status.SUSPENDED:
            return [_suspended(facts)]
        case Status.WAITING:
            return [*_dependencies(facts), *_due(facts)]
        case Status.SCHEDULED | Status.QUEUED:
            return [*_due(facts)] or [*_not_taken(facts)]
        case _:
            return []


def _suspended(facts: Facts) -> Reason:
    because = facts.suspended or facts.last_error
    text = f"{facts.subject} is suspended until somebody resumes it{f': {because}' if because else ''}"
    return Reason("suspended", text, {"reason": because})


def _dependencies(facts: Facts) -> Iterator[Reason]:
    for parent in facts.parents[:_PARENTS_NAMED]:
        accepted = sorted(parent.accepted)
        wanted = f"which is {parent.status}, to be {' or '.join(accepted)}"
        text = f"{facts.subject} waits for job {parent.id} ({parent.task}), {wanted}"
        data = {"job": parent.id, "task": parent.task, "status": str(parent.status), "accepted": [*map(str, accepted)]}
        yield Reason("dependency", text, data)
    more = max(facts.open_parents, len(facts.parents)) - min(len(facts.parents), _PARENTS_NAMED)
    if more > 0:
        yield Reason("dependency", f"{facts.subject} waits for {_plural(more, 'more job')}", {"more": more})


def _due(facts: Facts) -> Iterator[Reason]:
    if facts.due <= facts.now:
        return
    due = from_micros(facts.due).isoformat(sep=" ", timespec="seconds")
    left = (facts.due - facts.now) / 1_000_000
    data: dict[str, Any] = {"due": from_micros(facts.due).isoformat(), "seconds": left}
    if not facts.failures:
        yield Reason("due", f"{facts.subject} is due at {due}, in {_length(left)}", data)
        return
    failed = f"after {_plural(facts.failures, 'failed attempt')}{f' ({facts.last_error})' if facts.last_error else ''}"
    data |= {"failures": facts.failures, "error": facts.last_error}
    yield Reason("backoff", f"{facts.subject} is tried again at {due}, in {_length(left)}, {failed}", data)


def _not_taken(facts: Facts) -> Iterator[Reason]:
    if facts.paused:
        text = f"{facts.subject} waits until the queue, which is paused, is resumed"
        yield Reason("paused", text, {"queue": facts.queue})
    serving = [worker for worker in facts.workers if worker.serves(facts.queue)]
    able = [worker for worker in serving if worker.knows(facts.task)]
    if not serving:
        yield _no_worker(facts)
    elif not able:
        names = [worker.name for worker in serving]
        known = f"of those on the queue ({', '.join(names)}) none does"
        text = f"{facts.subject} waits for a worker that knows the task: {known}"
        yield Reason("unknown_task", text, {"task": facts.task, "workers": names})
    elif not facts.paused and all(worker.is_full for worker in able):
        slots = sum(worker.concurrency or 0 for worker in able)
        text = (
            f"{facts.subject} waits for a free slot: the workers of the queue run {_plural(slots, 'job')}, all they may"
        )
        yield Reason("limit", text, {"workers": [worker.name for worker in able], "slots": slots})


def _no_worker(facts: Facts) -> Reason:
    online = [worker.name for worker in facts.workers if worker.online]
    others = f", only others are ({', '.join(online)})" if online else ""
    text = f"{facts.subject} waits for a worker: none is online for the queue{others}"
    return Reason("no_worker", text, {"queue": facts.queue, "workers": online, "store": facts.store})


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"


def _length(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
