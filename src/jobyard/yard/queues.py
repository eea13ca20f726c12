"""``yard.queues``: what the queues are, and whether they are open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobyard.model.ranking import is_requested, rank
from jobyard.model.retry import Retry
from jobyard.model.states import STATUSES, Status
from jobyard.store import Store
from jobyard.store.filters import JobFilter, count_jobs
from jobyard.store.queues import Queue
from jobyard.task import checks

__all__ = ["UNSET", "QueueInfo", "QueueList", "set_options"]

UNSET: Any = object()
"""An option of a queue that the caller leaves as it is; None takes it back."""

_OPTIONS: Mapping[str, Callable[[Any, str], Any]] = {
    "priority": checks.priority,
    "retry": checks.retry,
    "timeout": checks.positive_duration,
    "aging": checks.positive_duration,
}
"""The options of a queue, and what checks a value of each."""

_RERANKED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue. `counts` has the number of its jobs by status; the options are None where it says nothing."""

    name: str
    paused: bool
    drained: bool
    counts: Mapping[Status, int]
    priority: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    aging: float | None = None


class QueueList:
    """The queues of a yard. Any name is a queue; those that have jobs, options or a state are listed."""

    def __init__(self, store: Store, user: Callable[[], str | None]) -> None:
        self._store = store
        self._user = user

    def list(self) -> list[QueueInfo]:
        now = self._store.now()
        with self._store.read() as tx:
            known = self._store.queues.all(tx)
            rows = count_jobs(tx, ("queue", "status"), JobFilter(), now)
        counts: dict[str, dict[Status, int]] = {name: {} for name in known}
        for name, code, count in rows:
            counts.setdefault(name, {})[STATUSES[code]] = count
        return [_info(known.get(name, Queue(name)), counts[name]) for name in sorted(counts)]

    def get(self, name: str) -> QueueInfo:
        now = self._store.now()
        with self._store.read() as tx:
            queue = self._store.queues.get(tx, name)
            rows = count_jobs(tx, ("status",), JobFilter(queues=(name,)), now)
        return _info(queue, {STATUSES[code]: count for code, count in rows})

    def pause(self, name: str) -> QueueInfo:
        """Let nothing of the queue start until `resume`; what runs goes on, and jobs may come."""
        return self._change("pause", name, paused=True)

    def drain(self, name: str) -> QueueInfo:
        """Refuse new jobs (`QueueClosed`) until `resume`; those that are there run, retry and wake as ever."""
        return self._change("drain", name, drained=True)

    def resume(self, name: str) -> QueueInfo:
        """Undo `pause` and `drain`."""
        info = self._change("resume", name, paused=False, drained=False)
        self._store.driver.notify(everywhere=True)
        return info

    def _change(self, kind: str, name: str, **state: bool) -> QueueInfo:
        checks.name(name, "queue")
        now = self._store.now()
        with self._store.transaction() as tx:
            before = self._store.queues.get(tx, name)
            if self._store.queues.change(tx, name, **state) != before:
                self._store.events.add(tx, kind, now, user=self._user(), data={"queue": name})
        return self.get(name)


def set_options(store: Store, name: str, given: Mapping[str, Any], user: str | None) -> None:
    """
    Set options of a queue, but those that are `UNSET`.

    A new `aging` is brought into the order of its waiting jobs, in batches.
    """
    changes = {
        option: None if value is None else _OPTIONS[option](value, option)
        for option, value in given.items()
        if value is not UNSET
    }
    if not changes:
        return
    checks.name(name, "queue")
    with store.transaction() as tx:
        before = store.queues.get(tx, name)
        after = store.queues.change(tx, name, **changes)
        if after != before:
            changed = [option for option in changes if getattr(before, option) != getattr(after, option)]
            old, new = ({option: getattr(queue, option) for option in changed} for queue in (before, after))
            data = {"queue": name, "old": old, "new": new}
            store.events.add(tx, "change", store.now(), user=user, data=data)
    if after.aging != before.aging:
        _rerank(store, name, before.aging, after.aging)


def _rerank(store: Store, queue: str, before: float | None, after: float | None) -> None:
    last = 0
    while True:
        with store.transaction() as tx:
            rows = store.jobs.of_queue(tx, queue, after=last, limit=_RERANKED_AT_ONCE)
            ranks = [
                (
                    row.id,
                    rank(
                        row.priority,
                        row.due,
                        requested=is_requested(row.rank, row.priority, row.due, aging=before),
                        aging=after,
                    ),
                )
                for row in rows
            ]
            store.jobs.set_ranks(tx, ranks)
        if len(rows) < _RERANKED_AT_ONCE:
            return
        last = rows[-1].id


def _info(queue: Queue, counts: Mapping[Status, int]) -> QueueInfo:
    return QueueInfo(
        queue.name,
        queue.paused,
        queue.drained,
        counts,
        queue.priority,
        queue.retry,
        queue.timeout,
        queue.aging,
    )
