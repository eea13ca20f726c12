"""What the tests of the store do again and again, in one line each."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from jobyard.model.messages import Ended, Outcome
from jobyard.model.newjob import SUCCESS, NewJob, NewOp
from jobyard.model.outcome import decide
from jobyard.model.retry import NO_RETRY, Retry
from jobyard.model.rows import JobRow
from jobyard.model.states import STATUSES, Status
from jobyard.store import Store
from jobyard.store.insert import Stored
from jobyard.store.jobs import json_text
from jobyard.store.settle import Settled, Settlement, settle

SECOND = 1_000_000
DAY = 86_400 * SECOND


def new(
    task: str = "t", *, ops: Iterable[str | NewOp] = (), args: str = "[]", after: Iterable[Any] = (), **options: Any
) -> NewJob:
    """A job to be stored; `after` takes ids, -n, and pairs with the accepted bits."""
    listed = [op if isinstance(op, NewOp) else NewOp(op, "[]") for op in ops] or [NewOp(task, args)]
    edges = [edge if isinstance(edge, tuple) else (edge, SUCCESS) for edge in after]
    return NewJob(listed, **{"queue": "default", "after": edges, **options})


def insert(store: Store, *jobs: NewJob) -> list[Stored]:
    with store.transaction() as tx:
        return store.jobs.insert(tx, jobs, store.now())


def put(store: Store, *jobs: NewJob) -> list[int]:
    """Store jobs and return their ids."""
    return [stored.row.id for stored in insert(store, *(jobs or [new()]))]


def add_worker(store: Store, name: str = "w", **options: Any) -> int:
    given = {"machine": "m", "pid": 1, "queues": None, "tasks": ["t"], "concurrency": 1, "processes": 1, **options}
    with store.transaction() as tx:
        return store.workers.add(tx, name=name, now=store.now(), **given)


def claim(
    store: Store,
    *,
    queues: Iterable[str] = ("default",),
    tasks: Iterable[str] = ("t",),
    worker: int = 1,
    limit: int = 100,
) -> list[JobRow]:
    """Promote what is due and claim."""
    with store.transaction() as tx:
        store.jobs.promote(tx, store.now())
        return store.jobs.ask_claim(
            tx, list(queues), tasks=json_text(list(tasks)), worker=worker, limit=limit, now=store.now()
        )()


def row(store: Store, id: int) -> JobRow:
    with store.read() as tx:
        return store.jobs.get(tx, id)


def status(store: Store, id: int) -> str:
    return STATUSES[row(store, id).status].value


def statuses(store: Store, ids: Iterable[int]) -> list[str]:
    return [status(store, id) for id in ids]


def settled(
    store: Store,
    row: JobRow,
    ended: str = Ended.RETURNED,
    *,
    retry: Retry = NO_RETRY,
    max_crashes: int = 3,
    **outcome: Any,
) -> Settled:
    """One outcome of a claimed row, decided as a worker does."""
    ops = None
    if row.op_count > 1:
        with store.read() as tx:
            ops = store.jobs.ops(tx, [row.id])[row.id]
    more = ended == Ended.RETURNED and row.cursor + 1 < row.op_count
    decision = decide(
        STATUSES[row.status],
        ended,
        retry=retry,
        failures=row.failures,
        crashes=row.crashes,
        max_crashes=max_crashes,
        more=more,
        types=["builtins:Exception"],
        delay=outcome.get("delay"),
    )
    return Settled(row, Outcome(row.id, row.epoch, row.cursor, ended, more=more, **outcome), decision, ops)


def settle_all(store: Store, *items: Settled) -> Settlement:
    with store.transaction() as tx:
        return settle(tx, store.jobs, items, store.queues.all(tx), "w", store.now())


def end(store: Store, row: JobRow, ended: str = Ended.RETURNED, **outcome: Any) -> Settlement:
    return settle_all(store, settled(store, row, ended, **outcome))


def act(store: Store, action: str, id: int, *args: Any) -> Any:
    """One of the actions of `store.control`, in a transaction of its own."""
    with store.transaction() as tx:
        return getattr(store.control, action)(tx, id, *args, "ann", store.now())


HOW_TO_END = {
    Status.SUCCEEDED: Ended.RETURNED,
    Status.FAILED: Ended.RAISED,
    Status.SKIPPED: Ended.SKIPPED,
    Status.CANCELED: Ended.CANCELED,
}


def make(store: Store, status: Status | str, **options: Any) -> int:
    """A job that came to this status in the usual way."""
    status = Status(status)
    if status is Status.SCHEDULED:
        return put(store, new(delay=3600 * SECOND, **options))[0]
    if status is Status.WAITING:
        return put(store, new(delay=3600 * SECOND), new(after=[-1], **options))[1]
    queue = f"of {status}"
    [id] = put(store, new(**{"queue": queue, **options}))
    if status is Status.SUSPENDED:
        act(store, "suspend", id)
    elif status is not Status.QUEUED:
        [claimed] = claim(store, queues=[options.get("queue", queue)], tasks=_tasks(options))
        if status is Status.CANCELING:
            act(store, "cancel", id)
        elif status in HOW_TO_END:
            end(store, claimed, HOW_TO_END[status])
    return id


def _tasks(options: dict[str, Any]) -> list[str]:
    return [*options.get("ops", ()), options.get("task", "t")]


class Counted:
    """A transaction that counts its statements."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction
        self.count = 0

    def fetch(self, *args: Any) -> Any:
        self.count += 1
        return self._transaction.fetch(*args)

    def ask(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        return self._transaction.ask(*args, **options)

    def execute(self, *args: Any) -> Any:
        self.count += 1
        return self._transaction.execute(*args)

    def execute_many(self, *args: Any) -> None:
        self.count += 1
        self._transaction.execute_many(*args)


@contextmanager
def counted(store: Store) -> Any:
    with store.transaction() as tx:
        yield Counted(tx)


def spoil(store: Store, statement: str, **values: Any) -> None:
    """Write what the store itself would never write."""
    with store.transaction() as tx:
        tx.execute(statement, values)
