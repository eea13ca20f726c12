"""
Writing what a worker's runs have reported, a batch in one transaction.

Every write names job and epoch. What finds the epoch stale changes nothing, is counted, and ends that run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from jobyard.model.definition import DefinitionState, ResultStatus, fitting
from jobyard.model.faults import canceled_fault, crash_fault
from jobyard.model.messages import Ended, Outcome
from jobyard.model.newjob import options_of
from jobyard.model.outcome import Decision
from jobyard.model.ranking import is_requested, rank
from jobyard.model.rows import JobRow, OpRow
from jobyard.model.states import CODES, FINAL, STATUSES, Status
from jobyard.store.driver import Transaction
from jobyard.store.jobs import AttemptRow, Finish, GiveBack, Jobs, json_text
from jobyard.store.plans import run
from jobyard.store.queues import Queue
from jobyard.store.recurrence import End, is_recurrence
from jobyard.store.release import Claim, Released

__all__ = ["GuessedWrong", "Settled", "Settlement", "begin_settling", "settle"]

_RUNNING = CODES["running"]
_CANCELING = CODES["canceling"]
_FROM_CANCELING = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})


class GuessedWrong(Exception):
    """What was written on a guess must be rolled back."""


class Settled(msgspec.Struct, gc=False):
    """One outcome to be written: the row as it was claimed, what the slot reported and what was decided."""

    row: JobRow
    outcome: Outcome
    decision: Decision
    ops: list[OpRow] | None = None
    suspended: str | None = None
    """Why the job is put aside, where it is."""
    user: str | None = None
    """Who says so, where it is a person."""

    @property
    def key(self) -> tuple[int, int]:
        return self.row.id, self.row.epoch


class Settlement(msgspec.Struct):
    """What became of a batch."""

    done: list[Settled] = msgspec.field(default_factory=list)
    canceling: list[Settled] = msgspec.field(default_factory=list)
    """Decided for a running job, but the job is being canceled: decide again."""
    stale: list[Settled] = msgspec.field(default_factory=list)
    committed: list[Settled] = msgspec.field(default_factory=list)
    """The task itself ended the op in a transaction of its own (`ctx.finish`): nothing was left to write."""
    ready: bool = False
    """Whether a job may be ready now. This and the next ones are known once it is complete."""
    ended: list[JobRow] = msgspec.field(default_factory=list)
    """Dependants that ended with their parents."""
    claimed: list[JobRow] = msgspec.field(default_factory=list)
    """Dependants that became ready, and were claimed at once."""
    _written: Callable[[], set[int]] | None = None
    """Gives the ids of the jobs that have ended, where those are not known yet."""
    _released: Callable[[], Released] | None = None

    def check(self) -> None:
        """Raise `GuessedWrong` if not all that was to end has done so."""
        if self._written is not None:
            written, self._written = self._written(), None
            if not written.issuperset(item.row.id for item in self.done if item.decision.status in FINAL):
                raise GuessedWrong

    def complete(self) -> None:
        """
        Wait until the dependants are released, and end those that end with their parents.

        Raises:
            GuessedWrong: see `check`.
        """
        self.check()
        if self._released is not None:
            released, self._released = self._released(), None
            self.ready = self.ready or released.ready
            self.ended = released.ended
            self.claimed = released.claimed


def settle(
    tx: Transaction, jobs: Jobs, items: Sequence[Settled], queues: Mapping[str, Queue], worker: str, now: int
) -> Settlement:
    """Write a batch of outcomes, at most one an attempt."""
    result = begin_settling(tx, jobs, items, queues, worker, now)
    result.complete()
    return result


def begin_settling(
    tx: Transaction,
    jobs: Jobs,
    items: Sequence[Settled],
    queues: Mapping[str, Queue],
    worker: str,
    now: int,
    *,
    guessing: bool = False,
    claim: Claim | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Settlement:
    """
    `settle`, but for `Settlement.complete`.

    Args:
        guessing: do not wait for the word that the jobs which end were still held, as nearly all are.
        claim: for dependants that become ready, see `Releaser.release`.
        meanwhile: is called while the database ends jobs.
    """
    result = Settlement()
    items = _without_committed(tx, jobs, items, result)
    _end_recurrences(items)
    for item in items:
        if item.decision.advance:
            (result.done if _advance(tx, jobs, item, queues, now) else result.stale).append(item)
    ends = [item for item in items if item.decision.status in FINAL]
    if ends:
        _finish(tx, jobs, ends, result, now, meanwhile, guessing=guessing)
    backs = [item for item in items if not item.decision.advance and item.decision.status not in FINAL]
    if backs:
        _leave_aside(tx, jobs, backs)
        _give_back(tx, jobs, backs, queues, worker, result, now)
    _note_reclaims(tx, jobs, result, worker, now)
    ended = [item for item in result.done if item.decision.status in FINAL]
    if ended:
        result._released = _release(tx, jobs, ended, result, now, claim)
    return result


def _end_recurrences(items: Sequence[Settled]) -> None:
    """A run of a recurrence that was taken back ends, and leaves a new job."""
    for item in items:
        is_back = item.outcome.ended == Ended.CRASHED and item.decision.status is Status.QUEUED
        if is_back and is_recurrence(item.row):
            item.decision = Decision(Status.FAILED)
            item.outcome.result_status = ResultStatus.RECLAIMED.value


def _leave_aside(tx: Transaction, jobs: Jobs, backs: Sequence[Settled]) -> None:
    """What goes back to a definition that is no longer active waits until that is resumed."""
    rows = [item.row for item in backs if item.row.definition is not None and is_recurrence(item.row)]
    if not rows:
        return
    states = run(jobs.recurrence.states(rows), tx)
    for item in backs:
        state = states.get(item.row.definition or "", DefinitionState.ACTIVE)
        if state != DefinitionState.ACTIVE and is_recurrence(item.row):
            item.decision = msgspec.structs.replace(item.decision, status=Status.SUSPENDED, delay=None)
            item.suspended = f"definition {item.row.definition} is {state}"


def _note_reclaims(tx: Transaction, jobs: Jobs, result: Settlement, worker: str, now: int) -> None:
    lost = [item for item in result.done if item.outcome.ended == Ended.CRASHED]
    if not lost:
        return
    machines = run(jobs.recurrence.machines([item.row for item in lost]), tx)
    rows = []
    for item in lost:
        row, status = item.row, item.decision.status
        data = {
            "worker": worker,
            "why": _message(item.outcome.error),
            "crashes": row.crashes + (status is not Status.CANCELED),
            "status": status.value,
        }
        rows.append((now, "reclaim", item.user, row.id, row.definition, machines[row.id], json_text(data)))
    tx.execute_many(jobs.trail.add, rows)


def _message(error: str | None) -> object:
    """What a stored error says, without its frames."""
    fault = msgspec.json.decode(error) if error else None
    return fault.get("message") if isinstance(fault, dict) else fault


def _end(item: Settled) -> End:
    status, outcome = item.decision.status, item.outcome
    said = fitting(status, outcome.ended, outcome.result_status, crashed=item.decision.crashed)
    return End(item.row, status, said, item.user)


def _without_committed(tx: Transaction, jobs: Jobs, items: Sequence[Settled], result: Settlement) -> Sequence[Settled]:
    asked = [item for item in items if item.outcome.finished_by_user]
    if not asked:
        return items
    rows = jobs.get_many(tx, [item.row.id for item in asked])
    left = [item for item in items if not item.outcome.finished_by_user]
    for item in asked:
        row = rows.get(item.row.id)
        same = row is not None and row.epoch == item.row.epoch
        if row is not None and same and (row.cursor > item.outcome.op or STATUSES[row.status] in FINAL):
            item.row.status, item.row.cursor, item.row.task = row.status, row.cursor, row.task
            item.row.priority, item.row.rank = row.priority, row.rank
            result.committed.append(item)
        else:
            left.append(item)
    return left


def _advance(tx: Transaction, jobs: Jobs, item: Settled, queues: Mapping[str, Queue], now: int) -> bool:
    row = item.row
    item.ops = ops = jobs.ops(tx, [row.id])[row.id]  # their priorities may have been changed meanwhile
    left = ops[item.outcome.op + 1 :]
    priority = min(op.priority for op in left)
    aging = _aging(row, queues)
    requested = is_requested(row.rank, row.priority, row.due, aging=aging)
    new_rank = rank(priority, row.due, requested=requested, aging=aging)
    if not jobs.advance(tx, row, left[0].task, priority, new_rank):
        return False
    _write_op(tx, jobs, item, now)
    row.cursor, row.task, row.priority, row.rank = item.outcome.op + 1, left[0].task, priority, new_rank
    return True


def _finish(
    tx: Transaction,
    jobs: Jobs,
    items: Sequence[Settled],
    result: Settlement,
    now: int,
    meanwhile: Callable[[], object],
    *,
    guessing: bool,
) -> None:
    written = jobs.ask_finish(tx, [_finish_row(item) for item in items], now, meanwhile)
    if guessing:
        done = items
        result.done.extend(done)
        result._written = written
    else:
        done = _sort_out(tx, jobs, items, written(), result)
    for item in done:
        if item.row.op_count > 1:
            _write_op(tx, jobs, item, now)


def _how(error: str | None) -> str:
    """How the process was lost, out of the captured error that says so."""
    return "its worker was lost" if error is None else str(msgspec.json.decode(error)["message"])


def _error(item: Settled) -> str | None:
    """The error with which a job ends."""
    error, decision = item.outcome.error, item.decision
    if decision.status is Status.FAILED and decision.crashed:
        return crash_fault(item.row.crashes + 1, _how(error))
    if decision.requested:
        return canceled_fault()
    if decision.status is Status.CANCELED and error is None:
        return canceled_fault("canceled by its own run")
    return error


def _finish_row(item: Settled) -> Finish:
    row, outcome, decision = item.row, item.outcome, item.decision
    status = decision.status
    succeeded = status is Status.SUCCEEDED
    return Finish(
        row.id,
        row.epoch,
        CODES[status],
        outcome.result if succeeded else None,
        None if succeeded else _error(item),
        outcome.began or None,
        _CANCELING if status in _FROM_CANCELING else _RUNNING,
    )


def _sort_out(
    tx: Transaction, jobs: Jobs, items: Sequence[Settled], written: set[int], result: Settlement
) -> list[Settled]:
    """Sort a batch by what was *written* and return that; the rows of the others tell why they were refused."""
    done = [item for item in items if item.row.id in written]
    result.done.extend(done)
    if len(done) < len(items):
        refused = [item for item in items if item.row.id not in written]
        rows = jobs.get_many(tx, [item.row.id for item in refused])
        for item in refused:
            row = rows.get(item.row.id)
            held = row is not None and row.epoch == item.row.epoch and row.status == _CANCELING
            (result.canceling if held else result.stale).append(item)
    return done


def _release(
    tx: Transaction, jobs: Jobs, ended: Sequence[Settled], result: Settlement, now: int, claim: Claim | None
) -> Callable[[], Released]:
    """Tell dependants of the ends and, while the database does that, definitions."""

    def note() -> None:
        next_ready = jobs.note_ends(tx, [_end(item) for item in ended if item.row.definition is not None], now)
        result.ready = result.ready or next_ready

    statuses = {item.row.id: CODES[item.decision.status] for item in ended}
    return jobs.ask_release(tx, statuses, now, claim=claim, meanwhile=note)


def _give_back(
    tx: Transaction,
    jobs: Jobs,
    items: Sequence[Settled],
    queues: Mapping[str, Queue],
    worker: str,
    result: Settlement,
    now: int,
) -> None:
    written = jobs.give_back(tx, [_back_row(item, queues, now) for item in items])
    done = _sort_out(tx, jobs, items, written, result)
    jobs.add_attempts(tx, [_attempt(item, worker, now) for item in done if item.decision.spent])
    result.ready = result.ready or any(item.decision.status is Status.QUEUED for item in done)


def _back_row(item: Settled, queues: Mapping[str, Queue], now: int) -> GiveBack:
    row, decision = item.row, item.decision
    status, due, new_rank = decision.status, row.due, row.rank
    if decision.delay is not None:
        due = now + round(decision.delay * 1_000_000)
        status = Status.SCHEDULED if due > now else Status.QUEUED
        new_rank = rank(row.priority, due, aging=_aging(row, queues))
    return GiveBack(
        row.id,
        row.epoch,
        CODES[status],
        due,
        new_rank,
        row.attempt if decision.spent else row.attempt - 1,
        row.failures + decision.failed,
        row.crashes + decision.crashed,
        item.outcome.error if decision.spent else row.error,
        row.task,
        _options(item),
    )


def _options(item: Settled) -> str | None:
    """The options, with the reason for which the job is put aside."""
    if item.suspended is None:
        return item.row.options
    return json_text(msgspec.structs.replace(options_of(item.row.options), suspended=item.suspended))


def _attempt(item: Settled, worker: str, now: int) -> AttemptRow:
    row = item.row
    outcome = "crashed" if item.decision.crashed else "failed"
    return AttemptRow(row.id, row.attempt, worker, row.started_at, now, outcome, item.outcome.error)


def _write_op(tx: Transaction, jobs: Jobs, item: Settled, now: int) -> None:
    outcome, ops = item.outcome, item.ops
    if ops is None:
        return
    op = ops[outcome.op]
    op.result = outcome.result
    op.error = outcome.error
    op.exec_at = outcome.began or None
    op.started_at = op.started_at or item.row.started_at
    op.ended_at = now
    jobs.change_op(tx, op)


def _aging(row: JobRow, queues: Mapping[str, Queue]) -> float | None:
    queue = queues.get(row.queue)
    return queue.aging if queue else None
