"""The jobs that this worker holds, and the runs made of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jobyard.model.messages import Call, Ended, Outcome, Run, Value
from jobyard.model.newjob import options_of
from jobyard.model.outcome import Decision, decide
from jobyard.model.references import Ref
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import CODES, Status
from jobyard.model.traceback import RemoteError
from jobyard.store import Store
from jobyard.store.driver import Transaction
from jobyard.store.queues import Queue
from jobyard.store.settle import Settled
from jobyard.task import Policy, Registry, resolve_policy

__all__ = ["Held", "Ledger"]

_CANCELING = CODES["canceling"]
_decode_refs = msgspec.json.Decoder(list[Ref]).decode


class Held(msgspec.Struct, gc=False):
    """A claimed job: its row as claimed, how it is to be run, and where."""

    row: JobRow
    policy: Policy
    run: Run
    queue: Queue | None
    ops: list[OpRow] | None = None
    """All ops, of a job of several."""
    calls: list[Call] | None = None
    """Those of all ops; None as in `Run`."""
    host: Any = None
    handed_out: float = 0.0
    """When the host was given the run, in monotonic seconds."""
    canceling: bool = False

    @property
    def lacking(self) -> tuple[str, ...]:
        """The definitions without a successful build whose results it takes."""
        return options_of(self.row.options).dependencies

    @property
    def key(self) -> tuple[int, int]:
        return self.row.id, self.row.epoch


class Ledger:
    """Held jobs by id. Used by the claimer's thread alone."""

    def __init__(self, store: Store, tasks: Registry, max_crashes: int) -> None:
        self._store = store
        self._tasks = tasks
        self._max_crashes = max_crashes
        self._held: dict[int, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def get(self, id: int, epoch: int) -> Held | None:
        """The job, if it is held by this epoch."""
        held = self._held.get(id)
        return held if held is not None and held.row.epoch == epoch else None

    def add(self, held: Held) -> None:
        self._held[held.row.id] = held

    def drop(self, id: int, epoch: int) -> Held | None:
        """Forget a job that is held no longer."""
        held = self._held.get(id)
        if held is None or held.row.epoch != epoch:
            return None
        del self._held[id]
        return held

    def clear(self) -> list[Held]:
        """Forget all, and return them."""
        held = list(self._held.values())
        self._held.clear()
        return held

    def claims(self, queues: Mapping[str, Queue]) -> Callable[[JobRow], Held]:
        """What makes of claimed rows what is to be run for them, but for what `fill` adds."""
        policies: dict[tuple[str, str, str | None], Policy] = {}
        ahead = self._store.ahead

        def held(row: JobRow) -> Held:
            key = (row.task, row.queue, row.options)
            queue = queues.get(row.queue)
            policy = policies.get(key)
            if policy is None:
                policy = policies[key] = self._policy(row, queue)
            return Held(row, policy, _run(row, policy, ahead), queue, canceling=row.status == _CANCELING)

        return held

    def fill(self, tx: Transaction, claimed: Iterable[Held]) -> None:
        """Give runs of several ops, or with references, the calls to make, and the results that arguments stand for."""
        rich = [held for held in claimed if held.row.op_count > 1 or held.row.refs]
        if rich:
            self._fill_calls(tx, rich)

    def unknown(self, held: Held) -> str | None:
        """How a job ends here whose next op no task is registered for; None: there is one."""
        return None if held.row.task in self._tasks else Ended.UNKNOWN

    def go_on(self, held: Held) -> Run:
        """
        The run of the next op of a job. Each op is a run of its own, under the policy of its own task.

        It has a row of its own, since the host reads it while the claimer moves the job's to its next op.
        """
        row = msgspec.structs.replace(held.row)
        held.policy = policy = self._policy(row, held.queue)
        held.run = run = _run(row, policy, self._store.ahead)
        run.calls = [held.calls[row.cursor]] if held.calls else None
        run.ops = held.ops
        run.results = [(op.task, op.result) for op in (held.ops or ())[: row.cursor]]
        return run

    def settled(self, held: Held, outcome: Outcome) -> Settled:
        """Decide what becomes of a job whose op has ended."""
        status = Status.CANCELING if held.canceling else Status.RUNNING
        aside = None if outcome.ended == Ended.RETURNED else _why_aside(outcome)
        return Settled(held.row, outcome, self._decide(held, outcome, status), held.ops, aside)

    def _decide(self, held: Held, outcome: Outcome, status: Status) -> Decision:
        row, retry = held.row, held.policy.retry
        if outcome.ended == Ended.RETURNED:  # as nearly all do, and nothing else is asked
            return decide(status, outcome.ended, retry=retry, more=outcome.op + 1 < row.op_count)
        return decide(
            status,
            outcome.ended,
            retry=retry,
            failures=row.failures,
            crashes=row.crashes,
            max_crashes=self._max_crashes,
            types=outcome.types,
            delay=outcome.delay,
            user_error=outcome.ended == Ended.RAISED and self._is_user_error(row.task, outcome.types),
            chance=random.random(),
        )

    def _is_user_error(self, task: str, types: Iterable[str]) -> bool:
        if task not in self._tasks:
            return False
        names = {f"{kind.__module__}:{kind.__qualname__}" for kind in self._tasks.get(task).options.user_errors}
        return bool(names) and not names.isdisjoint(types)

    def _policy(self, row: JobRow, queue: Queue | None) -> Policy:
        options = options_of(row.options) if row.options else None
        return resolve_policy(self._tasks.get(row.task).options, options, queue)

    def _fill_calls(self, tx: Transaction, rich: Sequence[Held]) -> None:
        ops = self._store.jobs.ops(tx, [held.row.id for held in rich if held.row.op_count > 1])
        refs: dict[tuple[int, int], list[Ref]] = {}
        for held in rich:
            held.ops = ops.get(held.row.id)
            refs |= {(op.job, op.index): _decode_refs(op.refs) for op in _ops_of(held) if op.refs}
        parents = {ref.job for found in refs.values() for ref in found if ref.job is not None}
        results = self._store.jobs.results(tx, parents) if parents else {}
        for held in rich:
            held.calls = [_call(op, refs.get((op.job, op.index), []), results) for op in _ops_of(held)]
            self.go_on(held)


def _run(row: JobRow, policy: Policy, ahead: int) -> Run:
    return Run(
        row,
        None,
        (),
        policy.timeout,
        policy.heartbeat_timeout,
        policy.isolation,
        policy.memory_limit,
        sync=policy.sync,
        ahead=ahead,
    )


def _ops_of(held: Held) -> list[OpRow]:
    if held.ops is not None:
        return held.ops
    row = held.row
    return [OpRow(row.id, 0, row.task, row.args, row.refs, row.priority, None, None, None, None, None)]


def _call(op: OpRow, refs: Iterable[Ref], results: Mapping[int, tuple[str, str | None]]) -> Call:
    values = [Value(ref.path, *results.get(ref.job, ("", None))) for ref in refs if ref.job is not None]
    earlier = [(ref.path, ref.op) for ref in refs if ref.op is not None]
    return Call(op.index, op.task, op.args, values, earlier)


def _why_aside(outcome: Outcome) -> str | None:
    """Why a job is put aside, for people."""
    if outcome.ended == Ended.UNFIT and outcome.error:
        return f"its arguments no longer fit the task: {RemoteError.from_json(outcome.error).message}"
    if outcome.ended == Ended.SUSPENDED:
        return "suspended by its task"
    return None
