"""
What people do to one job: cancel, retry, suspend, resume, change its priority, run it now.

Each action reads the row, decides by the one table of transitions, and writes, in one transaction. A refused one says
why and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from jobyard.errors import InvalidTransition, PreconditionFailed
from jobyard.model.faults import canceled_fault, cascade_fault, dependency_fault
from jobyard.model.newjob import accepted_statuses, options_of
from jobyard.model.ranking import is_requested, rank
from jobyard.model.rows import JobRow
from jobyard.model.standalone import check_priority
from jobyard.model.states import CODES, FINAL, HELD, STATUSES, Status, check_transition
from jobyard.store.driver import Transaction
from jobyard.store.events import Events
from jobyard.store.jobs import AttemptRow, Jobs, as_read, json_text
from jobyard.store.queues import Queues
from jobyard.store.recurrence import End
from jobyard.store.release import end
from jobyard.store.requests import Requests

__all__ = ["Control", "Effect"]


class Effect(msgspec.Struct):
    """What an action leaves for after the commit."""

    ready: bool = False
    """A job may be ready to be claimed."""
    asked: bool = False
    """A worker has a request to read."""
    ended: list[JobRow] = msgspec.field(default_factory=list)


@dataclass(slots=True)
class Control:
    """The actions, within a transaction of the store."""

    jobs: Jobs
    queues: Queues
    events: Events
    requests: Requests
    worker_name: Callable[[Transaction, int | None], str | None]

    def cancel(self, tx: Transaction, id: int, user: str | None, now: int) -> tuple[bool, str, Effect]:
        row = self.jobs.lock(tx, id)
        status = STATUSES[row.status]
        effect = Effect()
        if status in FINAL:
            return False, f"job {id} is already {status}", effect
        if status is Status.CANCELING:
            return False, "already canceling", effect
        self._event(tx, "cancel", row, user, now)
        if status is Status.RUNNING:
            self.jobs.to_canceling(tx, id)
            self.requests.ask(tx, "cancel", row, now)
            effect.asked = True
            return True, f"job {id} is running and will be canceled", effect
        row.error = canceled_fault()
        self._end(tx, row, Status.CANCELED, effect, now, user)
        return True, f"job {id} canceled", effect

    def change_priority(
        self, tx: Transaction, id: int, priority: int, user: str | None, now: int
    ) -> tuple[bool, str, Effect]:
        check_priority(priority)
        row = self.jobs.lock(tx, id)
        status = STATUSES[row.status]
        if status in FINAL or status is Status.CANCELING:
            return False, f"job {id} is {status}", Effect()
        ops = self.jobs.ops(tx, [id]).get(id, []) if row.op_count > 1 else []
        first = row.cursor + (status is Status.RUNNING)
        if first >= row.op_count:
            return False, f"job {id} has no op that has not begun", Effect()
        said = f"the priority of the pending ops of job {id} is now {priority}"
        if {op.priority for op in ops[first:]} == {priority} or (not ops and row.priority == priority):
            return True, said, Effect()
        for op in ops[first:]:
            op.priority = priority
            self.jobs.change_op(tx, op)
        new = min((op.priority for op in ops[row.cursor :]), default=priority)
        self._event(tx, "priority", row, user, now, {"old": row.priority, "new": priority})
        self._rerank(tx, row, priority=new)
        self.jobs.change(tx, row)
        return True, said, Effect(ready=True)

    def suspend(self, tx: Transaction, id: int, user: str | None, now: int) -> Effect:
        row = as_read(self.jobs.lock(tx, id), now)
        self._check(row, Status.SUSPENDED, "suspended", allowed=STATUSES[row.status] not in HELD)
        row.status = CODES["suspended"]
        row.options = json_text(msgspec.structs.replace(options_of(row.options), suspended=_by(user)))
        self.jobs.change(tx, row)
        self._event(tx, "suspend", row, user, now)
        return Effect()

    def resume(self, tx: Transaction, id: int, user: str | None, now: int) -> Effect:
        row = self.jobs.lock(tx, id, with_parents=True)
        if row.status != CODES["suspended"]:
            msg = f"job {id} is {STATUSES[row.status]}, not suspended, so it cannot be resumed"
            raise InvalidTransition(msg)
        effect = Effect()
        row.options = json_text(msgspec.structs.replace(options_of(row.options), suspended=None))
        self._let_go(tx, row, effect, now)
        self._event(tx, "resume", row, user, now)
        return effect

    def run_now(self, tx: Transaction, id: int, user: str | None, now: int) -> Effect:
        row = as_read(self.jobs.lock(tx, id), now)
        status = STATUSES[row.status]
        if status not in (Status.SCHEDULED, Status.QUEUED):
            msg = f"job {id} is {status}; only a scheduled or queued job can be run now"
            raise InvalidTransition(msg)
        row.due = min(row.due, now)
        row.status = CODES["queued"]
        self._rerank(tx, row, requested=True)
        self.jobs.change(tx, row)
        self._event(tx, "request", row, user, now)
        return Effect(ready=True)

    def request(self, tx: Transaction, id: int, user: str, now: int) -> Effect:
        """
        Have the pending job of a definition run as soon as possible, ahead of automatic ones of its priority.

        It is due now if it was due later. One that waits or is suspended still does.

        Raises:
            PreconditionFailed: it is not pending, or was requested before; then its requester is named.
        """
        row = as_read(self.jobs.lock(tx, id), now)
        status, what = (
            STATUSES[row.status],
            f"job {id} of definition {row.definition}" if row.definition else f"job {id}",
        )
        if status in FINAL or status in HELD:
            msg = f"{what} is {status}, not pending; nothing was written"
            raise PreconditionFailed(msg)
        if row.requester is not None:
            msg = f"{what} was requested by {row.requester} already; nothing was written"
            raise PreconditionFailed(msg)
        row.due = min(row.due, now)
        if status is Status.SCHEDULED:
            row.status = CODES["queued"]
        self._rerank(tx, row, requested=True)
        self.jobs.change(tx, row)
        tx.execute(self.jobs.sql.set_requester, {"id": id, "requester": user})
        self._event(tx, "request", row, user, now)
        return Effect(ready=True)

    def retry(self, tx: Transaction, id: int, user: str | None, now: int) -> Effect:
        row = self.jobs.lock(tx, id, with_parents=True)
        status = STATUSES[row.status]
        if status not in FINAL:
            msg = f"job {id} is {status}; only a job that has ended can be retried"
            raise InvalidTransition(msg)
        self._retake_unique(tx, row, now)
        if row.attempt and row.started_at is not None:
            worker = self.worker_name(tx, row.worker)
            ended = row.ended_at or now
            self.jobs.add_attempts(
                tx, [AttemptRow(id, row.attempt, worker, row.started_at, ended, status.value, row.error)]
            )
        if status is Status.SUCCEEDED and row.definition is not None:
            forget = self.jobs.recurrence.builds.forget_latest
            tx.execute(forget, {"definition": row.definition, "job": id})
        self._start_over(tx, row, status, now)
        effect = Effect()
        self._let_go(tx, row, effect, now)
        self._event(tx, "retry", row, user, now)
        return effect

    def mark_unfinished(
        self, tx: Transaction, id: int, status: Status, result: str | None, user: str | None, now: int
    ) -> Effect:
        """End a job from outside; a worker that runs it is fenced by the raised epoch."""
        row = self.jobs.lock(tx, id)
        effect = Effect()
        if STATUSES[row.status] in FINAL:
            return effect
        if status not in FINAL:
            msg = f"the ops of a stored job can be marked with a final status only, not {status}"
            raise InvalidTransition(msg)
        held = row if STATUSES[row.status] in HELD else None
        check_transition(STATUSES[row.status], status, what=f"job {id}")
        row.result = result
        if status is Status.CANCELED:
            row.error = canceled_fault()
        for op in self.jobs.ops(tx, [id]).get(id, [])[row.cursor :] if row.op_count > 1 else []:
            op.result = result
            self.jobs.change_op(tx, op)
        if held is not None:
            self.requests.ask(tx, "lost", row, now)
            effect.asked = True
        self._end(tx, row, status, effect, now, user)
        if status is Status.CANCELED:
            self._event(tx, "cancel", row, user, now)
        elif row.definition is None:  # else the end itself is noted
            self._event(tx, "finish", row, user, now)
        return effect

    def end_expired(self, tx: Transaction, expired: Iterable[JobRow], now: int) -> Effect:
        """Cancel the jobs that have not begun by their `expires`."""
        effect = Effect()
        for row in expired:
            if STATUSES[row.status] not in FINAL:
                self._event(tx, "cancel", row, None, now, {"why": "expired"})
                row.error = canceled_fault("not begun by its expires")
                self._end(tx, row, Status.CANCELED, effect, now)
        return effect

    def _check(self, row: JobRow, after: Status, done: str, *, allowed: bool) -> None:
        if not allowed:
            msg = f"job {row.id} is {STATUSES[row.status]} and cannot be {done} from outside"
            raise InvalidTransition(msg)
        check_transition(STATUSES[row.status], after, what=f"job {row.id}")

    def _end(
        self, tx: Transaction, row: JobRow, status: Status, effect: Effect, now: int, user: str | None = None
    ) -> None:
        check_transition(STATUSES[row.status], status, what=f"job {row.id}")
        before = msgspec.structs.replace(row)
        end(row, status, now)
        self.jobs.change(tx, row)
        released = self.jobs.release(tx, {row.id: row.status}, now)
        next_ready = self.jobs.note_ends(tx, [End(before, status, user=user)], now)
        effect.ready = effect.ready or released.ready or next_ready
        effect.ended += [row, *released.ended]

    def _let_go(self, tx: Transaction, row: JobRow, effect: Effect, now: int) -> None:
        """Give a suspended or ended job the status that its dependencies and due time say."""
        before = STATUSES[row.status]
        broken = self._recount(tx, row, anew=before in FINAL)
        if broken is not None:
            row.status = CODES["waiting"]
            row.error = broken[1]
            self._end(tx, row, broken[0], effect, now)
            return
        after = Status.WAITING if row.open_parents else Status.SCHEDULED if row.due > now else Status.QUEUED
        check_transition(before, after, what=f"job {row.id}")
        row.status = CODES[after]
        self._rerank(tx, row)
        self.jobs.change(tx, row)
        effect.ready = effect.ready or after is not Status.WAITING

    def _recount(self, tx: Transaction, row: JobRow, *, anew: bool) -> tuple[Status, str] | None:
        """
        Look at the dependencies again; a broken one gives the end that it means.

        *anew*: also at the closed ones, since a parent may have been retried or have failed this job before.
        """
        row.open_parents = 0
        for parent, accepted, is_open, code, task, _ in self.jobs.parents(tx, row.id):
            if code is None or not (is_open or anew):
                continue
            self.jobs.set_edge(tx, parent, row.id, is_open=STATUSES[code] not in FINAL)
            if STATUSES[code] not in FINAL:
                row.open_parents += 1
            elif not accepted >> code & 1:
                if STATUSES[code] is Status.CANCELED:
                    return Status.CANCELED, cascade_fault(parent, task)
                return Status.FAILED, dependency_fault(parent, task, STATUSES[code], accepted_statuses(accepted))
        return None

    def _start_over(self, tx: Transaction, row: JobRow, status: Status, now: int) -> None:
        if status in (Status.SUCCEEDED, Status.SKIPPED) and row.op_count > 1:
            row.cursor = 0
        row.epoch += 1
        row.failures = 0
        row.crashes = 0
        row.due = now
        row.ended_at = row.exec_at = row.worker = row.error = row.result = None
        ops = self.jobs.ops(tx, [row.id]).get(row.id, []) if row.op_count > 1 else []
        if ops:
            row.task = ops[row.cursor].task
            row.priority = min(op.priority for op in ops[row.cursor :])
        for op in ops[row.cursor :]:
            op.result = op.error = op.started_at = op.exec_at = op.ended_at = None
            self.jobs.change_op(tx, op)

    def _retake_unique(self, tx: Transaction, row: JobRow, now: int) -> None:
        options = options_of(row.options)
        if options.unique is None or row.unique_key is not None:
            return
        holder = self.jobs.unique_holder(tx, options.unique)
        if holder is not None and holder.unique_until and holder.unique_until <= now:
            self.jobs.let_unique_go(tx, holder.id)
            holder = None
        if holder is not None:
            msg = f"job {row.id} cannot be retried: its unique key {options.unique!r} is held by job {holder.id}"
            raise InvalidTransition(msg)
        row.unique_key = options.unique

    def _rerank(
        self, tx: Transaction, row: JobRow, *, priority: int | None = None, requested: bool | None = None
    ) -> None:
        aging = self.queues.get(tx, row.queue).aging
        if requested is None:
            requested = is_requested(row.rank, row.priority, row.due, aging=aging)
        row.priority = row.priority if priority is None else priority
        row.rank = rank(row.priority, row.due, requested=requested, aging=aging)

    def _event(
        self, tx: Transaction, kind: str, row: JobRow, user: str | None, now: int, data: dict[str, object] | None = None
    ) -> None:
        self.events.add(tx, kind, now, user=user, job=row.id, definition=row.definition, machine=row.machine, data=data)


def _by(user: str | None) -> str:
    return f"suspended by {user}" if user else "suspended"
