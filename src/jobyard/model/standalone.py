"""
Jobs that no store knows: made in memory, or restored from what `Job.serialize` gave.

The rules are those of Ganeti's ``_QueuedJob``, with the statuses of `states`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.codec import pack, unpack
from jobyard.model.instants import from_micros, to_micros
from jobyard.model.op import LogEntry, Op
from jobyard.model.rows import JobRow
from jobyard.model.states import FINAL, HELD, Status, calc_priority, calc_status

if TYPE_CHECKING:
    from jobyard.model.traceback import RemoteError

__all__ = [
    "cancel",
    "change_priority",
    "check_priority",
    "check_status",
    "mark_unfinished",
    "new_row",
    "now",
    "numbered",
    "restored",
    "serialized",
]

_TIMES = ("due", "received_at", "started_at", "ended_at")
_OP_TIMES = ("started_at", "exec_at", "ended_at")
_PLAIN = ("queue", "attempt", "requester", "definition", "machine", "logtail", "options")


def now() -> int:
    return time.time_ns() // 1000


def new_row(queue: str, id: int, received_at: int | None = None) -> JobRow:
    """The row of a job in memory: queued, received now."""
    at = now() if received_at is None else received_at
    return JobRow(
        id=id, status=1, queue=queue, task="", rank=0, priority=0, due=at, epoch=0, attempt=0, failures=0, crashes=0,
        open_parents=0, cursor=0, op_count=0, worker=None, received_at=at, started_at=None, exec_at=None,
        ended_at=None, machine=None, heartbeat=None, logtail=None, args="", refs=None, result=None, error=None,
        unique_key=None, unique_until=None, definition=None, requester=None, log_serial=0, expires=None, options=None,
    )  # fmt: skip


def numbered(ops: Iterable[Op]) -> list[Op]:
    """The ops of a job, each with its index. Raises `BadArguments` for none."""
    result = list(ops)
    if not result:
        msg = "a job has at least one op; none was given"
        raise BadArguments(msg)
    for index, op in enumerate(result):
        op.index = index
    return result


def mark_unfinished(ops: Iterable[Op], status: Status, result: Any) -> None:
    """Set status and result of every op that has not ended; the others keep both."""
    for op in ops:
        if op.status not in FINAL:
            op.status = status
            op.result = result


def cancel(row: JobRow, ops: Sequence[Op]) -> tuple[bool, str]:
    status = calc_status(op.status for op in ops)
    if status in FINAL:
        return False, f"job {row.id} is already {status}"
    if status is Status.CANCELING:
        return False, "already canceling"
    if status in HELD:
        mark_unfinished(ops, Status.CANCELING, None)
        return True, f"job {row.id} will be canceled"
    mark_unfinished(ops, Status.CANCELED, "canceled by request")
    row.ended_at = now()
    return True, f"job {row.id} canceled"


def change_priority(row: JobRow, ops: Sequence[Op], priority: int) -> tuple[bool, str]:
    check_priority(priority)
    status = calc_status(op.status for op in ops)
    if status in FINAL or status is Status.CANCELING:
        return False, f"job {row.id} is {status}"
    pending = [op for op in ops if op.status not in FINAL and op.status is not Status.RUNNING]
    if not pending:
        return False, f"job {row.id} has no op that has not begun"
    for op in pending:
        op.priority = priority
    row.priority = calc_priority((op.status, op.priority) for op in ops)
    return True, f"the priority of the pending ops of job {row.id} is now {priority}"


def check_priority(priority: int) -> int:
    """Raise `BadArguments` unless *priority* is an int from -20 to 19."""
    if isinstance(priority, bool) or not isinstance(priority, int) or not -20 <= priority <= 19:
        msg = f"priority={priority!r}: give a whole number from -20 (most urgent) to 19"
        raise BadArguments(msg)
    return priority


def check_status(status: Status | str) -> Status:
    """The status of this name. Raises `BadArguments` for any other text."""
    try:
        return Status(status)
    except ValueError:
        msg = f"status={status!r}: the statuses are {', '.join(Status)}"
        raise BadArguments(msg) from None


def serialized(row: JobRow, ops: Sequence[Op]) -> dict[str, Any]:
    return {
        "id": row.id,
        **{name: getattr(row, name) for name in _PLAIN},
        **{name: _text(from_micros(getattr(row, name))) for name in _TIMES},
        "ops": [_op_state(op) for op in ops],
    }


def restored(state: Mapping[str, Any]) -> tuple[JobRow, list[Op]]:
    """The row and ops of a serialized job."""
    ops = [_op(op, index) for index, op in enumerate(_needed(state, "ops", "the state"))]
    row = new_row(state.get("queue") or "default", _needed(state, "id", "the state"), 0)
    for name in _PLAIN:
        if state.get(name) is not None:
            setattr(row, name, state[name])
    for name in _TIMES:
        setattr(row, name, _micros(state.get(name)))
    row.op_count = len(ops)
    row.task = ops[0].task if ops else ""
    row.log_serial = max((entry.serial for op in ops for entry in op.log), default=0)
    return row, ops


def _op_state(op: Op) -> dict[str, Any]:
    return {
        "index": op.index,
        "task": op.task,
        "args": [_tagged(value) for value in op.args],
        "kwargs": {name: _tagged(value) for name, value in op.kwargs.items()},
        "status": op.status.value,
        "result": _tagged(op.result),
        "error": op.error.data if op.error is not None else None,
        "priority": op.priority,
        "log": [_entry_state(entry) for entry in op.log],
        **{name: _text(getattr(op, name)) for name in _OP_TIMES},
    }


def _op(state: Mapping[str, Any], index: int) -> Op:
    where = f"op {index} of the state"
    return Op(
        _needed(state, "task", where),
        [_untagged(value) for value in state.get("args") or ()],
        {name: _untagged(value) for name, value in (state.get("kwargs") or {}).items()},
        index=index,
        status=check_status(_needed(state, "status", where)),
        priority=state.get("priority") or 0,
        result=_untagged(state.get("result")),
        error=_error(state.get("error")),
        log=[_entry(entry) for entry in state.get("log") or ()],
        started_at=_instant(state.get("started_at")),
        exec_at=_instant(state.get("exec_at")),
        ended_at=_instant(state.get("ended_at")),
    )


def _error(data: Any) -> RemoteError | None:
    if data is None:
        return None
    from jobyard.model.traceback import RemoteError  # what shows tracebacks, only those need who have one

    return RemoteError(data)


def _entry_state(entry: LogEntry) -> dict[str, Any]:
    return {
        "serial": entry.serial,
        "op": entry.op,
        "at": _text(entry.at),
        "level": entry.level,
        "logger": entry.logger,
        "message": entry.message,
        "traceback": entry.traceback,
        "data": dict(entry.data) if entry.data is not None else None,
    }


def _entry(state: Mapping[str, Any]) -> LogEntry:
    return LogEntry(**{**state, "at": _instant(state.get("at"))})


def _needed(state: Mapping[str, Any], key: str, where: str) -> Any:
    try:
        return state[key]
    except (KeyError, TypeError):
        msg = f"{where} has no {key!r}: a job is restored from what serialize() gave"
        raise BadArguments(msg) from None


def _tagged(value: Any) -> Any:
    """The value as plain JSON data that says its type where JSON has none."""
    try:
        text = pack(value)
    except BadArguments:
        text = pack(_plain(value))
    import json  # as below: few jobs leave the store

    return json.loads(text)


def _plain(value: Any) -> Any:
    """What can be said without the annotations of its task: the fields of a record; of all else, its repr."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    try:
        pack(value)
    except BadArguments:
        return _fields(value)
    return value


def _fields(value: Any) -> Any:
    try:
        return msgspec.to_builtins(value, enc_hook=repr)
    except Exception:  # its own code may raise anything
        return repr(value)


def _untagged(value: Any) -> Any:
    import json

    return unpack(json.dumps(value))


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _micros(text: str | None) -> int | None:
    return None if text is None else to_micros(datetime.fromisoformat(text))
