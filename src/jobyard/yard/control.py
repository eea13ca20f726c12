"""What a `Job` needs of its yard: reading it again, acting on it, waiting for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from jobyard.errors import BadArguments, InvalidTransition, UnknownTask, WaitTimeout
from jobyard.model.arguments import Arguments
from jobyard.model.codec import Codec, Signature
from jobyard.model.instants import from_micros
from jobyard.model.newjob import accepted_statuses, options_of
from jobyard.model.op import Attempt, LogEntry, Op
from jobyard.model.references import Ref, Retval
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import FINAL, STATUSES, Status, op_statuses
from jobyard.store import Store
from jobyard.store.again import again
from jobyard.store.driver import Transaction
from jobyard.store.jobs import as_read
from jobyard.task import Registry
from jobyard.yard.waiting import auntil, until

if TYPE_CHECKING:
    from jobyard.model.progress import Progress
    from jobyard.model.traceback import RemoteError, StackTrace
    from jobyard.model.why import Reason
    from jobyard.store.control import Effect

__all__ = ["JobControl"]

_decode_refs = msgspec.json.Decoder(list[Ref]).decode


class JobControl:
    """Acts on the jobs of one store; see `model.control.Control`."""

    def __init__(self, store: Store, tasks: Registry, codec: Codec, user: Callable[[], str | None]) -> None:
        self._store = store
        self._tasks = tasks
        self._codec = codec
        self._user = user

    @property
    def identity(self) -> object:
        return self._store.location

    def row(self, id: int) -> JobRow:
        now = self._store.now()
        with self._store.read() as tx:
            return as_read(self._store.jobs.get(tx, id), now)

    def ops(self, row: JobRow, rows: list[OpRow] | None = None) -> list[Op]:
        if row.op_count == 1:
            rows = [_only_op(row)]
        elif rows is None:
            with self._store.read() as tx:
                rows = self._store.jobs.ops(tx, [row.id]).get(row.id, [])
            if STATUSES[row.status] is Status.FAILED:
                _blame(rows, row.cursor)
            elif STATUSES[row.status] is Status.CANCELED:
                _say_why(rows[row.cursor :], row.error)
        statuses = op_statuses(STATUSES[row.status], row.cursor, row.op_count)
        by_hand = self._is_by_hand(row)
        return [self._op(op, status, by_hand) for op, status in zip(rows, statuses, strict=True)]

    def log_entries(self, id: int, newer_than: int | None) -> list[LogEntry]:
        with self._store.read() as tx:
            return self._store.records.log(tx, id, newer_than)

    def attempts(self, row: JobRow) -> list[Attempt]:
        with self._store.read() as tx:
            past = self._store.jobs.attempts(tx, row.id)
            worker = self._store.workers.get(tx, row.worker)
        found = [
            Attempt(
                a.number, a.worker, from_micros(a.started_at), from_micros(a.ended_at), a.outcome, self.error(a.error)
            )
            for a in past
        ]
        status = STATUSES[row.status]
        if row.attempt and row.attempt not in {a.number for a in found} and row.started_at is not None:
            name = worker.name if worker else None
            error = self.error(row.error)
            started, ended = from_micros(row.started_at), from_micros(row.ended_at)
            found.append(Attempt(row.attempt, name, started, ended, status.value, error))
        return found

    def progress(self, id: int) -> list[Progress]:
        from jobyard.model.progress import Progress

        with self._store.read() as tx:
            reports = self._store.records.progress(tx, id)
        return [Progress(tuple(r.group), r.current, r.total, r.status) for r in reports]

    def error(self, text: str | None) -> RemoteError | None:
        if not text:
            return None
        from jobyard.model.traceback import RemoteError  # what shows tracebacks, only those need who have one

        return RemoteError.from_json(text)

    def worker(self, id: int) -> tuple[str, str, int] | None:
        with self._store.read() as tx:
            found = self._store.workers.get(tx, id)
        return (found.name, found.machine, found.heartbeat) if found else None

    def wait(self, id: int, timeout: float | None) -> JobRow:
        return _ended(id, until(self._store.driver, lambda: self._final(id), timeout), timeout)

    async def await_(self, id: int, timeout: float | None) -> JobRow:
        return _ended(id, await auntil(self._store.driver, lambda: self._final(id), timeout), timeout)

    def ended_of(self, ids: Iterable[int]) -> list[int]:
        """
        Those of these jobs that have ended.

        Raises:
            UnknownJob: there is no such job, or no longer.
        """
        ids = list(ids)
        with self._store.read() as tx:
            rows = self._store.jobs.get_many(tx, ids)
            for id in ids:
                if id not in rows:
                    self._store.jobs.get(tx, id)
        return [id for id in ids if STATUSES[rows[id].status] in FINAL]

    @again
    def cancel(self, id: int) -> tuple[bool, str]:
        with self._store.transaction() as tx:
            done, text, effect = self._store.control.cancel(tx, id, self._user(), self._store.now())
        self._tell(effect)
        return done, text

    @again
    def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        with self._store.transaction() as tx:
            done, text, effect = self._store.control.change_priority(tx, id, priority, self._user(), self._store.now())
        self._tell(effect)
        return done, text

    def retry(self, id: int) -> JobRow:
        return self._act(id, self._store.control.retry)

    def suspend(self, id: int) -> JobRow:
        return self._act(id, self._store.control.suspend)

    def resume(self, id: int) -> JobRow:
        return self._act(id, self._store.control.resume)

    def run_now(self, id: int) -> JobRow:
        return self._act(id, self._store.control.run_now)

    def mark_unfinished_ops(self, id: int, status: Status, result: Any) -> JobRow:
        text = None
        if result is not None:
            with self._store.read() as tx:
                row = self._store.jobs.get(tx, id)
            text = self._codec.encode_result(self._signature(row.task) or _unannotated, result)

        def mark(tx: Transaction, id: int, user: str | None, now: int) -> Effect:
            return self._store.control.mark_unfinished(tx, id, status, text, user, now)

        return self._act(id, mark)

    def why(self, id: int) -> list[Reason]:
        from jobyard.model.machine import MachineState
        from jobyard.model.why import Facts, ParentFacts, WorkerFacts, reasons  # what few ask is loaded when asked

        store, now = self._store, self._store.now()
        with store.read() as tx:
            row = as_read(store.jobs.get(tx, id), now)
            queue = store.queues.get(tx, row.queue)
            workers = [(worker, len(store.jobs.held_by(tx, worker.id))) for worker in store.workers.alive(tx)]
            off = {m.name for m in store.machines.all(tx) if m.state is not MachineState.ONLINE}
            parents = store.jobs.parents(tx, id) if row.open_parents else []
        error = self.error(row.error)
        return reasons(
            Facts(
                job=id,
                status=STATUSES[row.status],
                queue=row.queue,
                task=row.task,
                due=row.due,
                now=now,
                store=store.location,
                paused=queue.paused,
                workers=[
                    WorkerFacts(w.name, _names(w.queues), frozenset(w.tasks), w.machine not in off, held, w.concurrency)
                    for w, held in workers
                ],
                parents=[
                    ParentFacts(parent, task, STATUSES[code], accepted_statuses(accepted))
                    for parent, accepted, is_open, code, task, _ in parents
                    if is_open and code is not None
                ],
                open_parents=row.open_parents,
                failures=row.failures,
                last_error=error.summary if error else None,
                suspended=options_of(row.options).suspended,
            )
        )

    def stack(self, id: int, timeout: float) -> StackTrace:
        from jobyard.model.traceback import StackTrace

        store = self._store
        with store.read() as tx:
            row = store.jobs.get(tx, id)
            stored = store.requests.last_stack(tx, id)
        status = STATUSES[row.status]
        if status not in (Status.RUNNING, Status.CANCELING):
            if stored is None:
                msg = f"job {id} is {status}: only a running job has a stack, and no timeout of this one left any"
                raise InvalidTransition(msg)
            return StackTrace.from_json(stored)
        with store.transaction() as tx:
            request = store.requests.ask(tx, "stack", row, store.now())
        store.driver.notify(everywhere=False, asked=True)
        return StackTrace.from_json(self._answer(id, request, timeout))

    def _answer(self, id: int, request: int, timeout: float) -> str:
        def look() -> tuple[str | None] | None:
            with self._store.read() as tx:
                answer, at = self._store.requests.answered(tx, request)
            return None if at is None else (answer,)

        found = until(self._store.driver, look, timeout)
        if found is None or found[0] is None:
            msg = (
                f"job {id}: its worker gave no stack within {timeout:g} s; it may just have ended, or its worker hangs"
            )
            raise WaitTimeout(msg)
        return found[0]

    def _final(self, id: int) -> JobRow | None:
        row = self.row(id)
        return row if STATUSES[row.status] in FINAL else None

    @again
    def _act(self, id: int, action: Callable[[Transaction, int, str | None, int], Effect]) -> JobRow:
        with self._store.transaction() as tx:
            effect = action(tx, id, self._user(), self._store.now())
        self._tell(effect)
        return self.row(id)

    def _tell(self, effect: Effect) -> None:
        if effect.ready or effect.asked or effect.ended:
            self._store.driver.notify(everywhere=effect.ready, asked=effect.asked)

    def _is_by_hand(self, row: JobRow) -> bool:
        """Whether the result was returned by hand: then it is stored without the annotations of the task."""
        if row.result is None or row.worker is not None:
            return False
        with self._store.read() as tx:
            results = self._store.jobs.results(tx, [row.id])
        return row.id in results and not results[row.id][0]

    def _op(self, row: OpRow, status: Status, by_hand: bool) -> Op:
        args, kwargs = self._arguments(row)
        return Op.of_row(
            row,
            status,
            args,
            kwargs,
            self._codec.decode_any(row.result) if by_hand else self._result(row.task, row.result),
            self.error(row.error),
            lambda: [entry for entry in self.log_entries(row.job, None) if entry.op == row.index],
        )

    def _arguments(self, row: OpRow) -> Arguments:
        """The arguments as they were given: typed where the task is known here, references as `Retval`."""
        refs = _decode_refs(row.refs) if row.refs else ()
        values = [(ref.path, Retval(job=ref.job, op=ref.op, name=ref.name)) for ref in refs]
        signature = self._signature(row.task)
        if signature is not None:
            try:
                return self._codec.decode_arguments(signature, row.args, values)
            except BadArguments:
                pass  # the task has changed since: show what is stored
        return self._codec.decode_any_arguments(row.args, values)

    def _result(self, task: str, text: str | None) -> Any:
        signature = self._signature(task)
        if signature is not None and text is not None:
            try:
                return self._codec.decode_result(signature, text)
            except (BadArguments, ValueError):
                pass
        return self._codec.decode_any(text)

    def _signature(self, task: str) -> Signature | None:
        try:
            found: Signature = self._tasks.get(task).signature
        except UnknownTask:
            return None
        return found


def _ended(id: int, row: JobRow | None, timeout: float | None) -> JobRow:
    if row is None:
        msg = f"job {id} has not ended after {timeout:g} s; it goes on"
        raise WaitTimeout(msg)
    return row


def _blame(ops: list[OpRow], cursor: int) -> None:
    """Say of those behind the failed op why they failed too, which is stored nowhere since it follows."""
    from jobyard.model.faults import earlier_op_fault  # for the seldom job that failed with ops left

    for op in ops[cursor + 1 :]:
        if op.error is None and op.result is None:
            op.error = earlier_op_fault(cursor, ops[cursor].task)


def _say_why(ops: Iterable[OpRow], error: str | None) -> None:
    """Say of the ops that a canceled job had left why they did not run to their end."""
    for op in ops:
        op.error = error


def _only_op(row: JobRow) -> OpRow:
    return OpRow(
        row.id, 0, row.task, row.args, row.refs, row.priority, row.result, row.error, row.started_at, row.exec_at,
        row.ended_at,
    )  # fmt: skip


def _names(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _unannotated_result():  # type: ignore[no-untyped-def]
    """Stands for a task that this process does not know."""


_unannotated = Signature.of(_unannotated_result)
