"""The fields that `get_info` and `wait_for_change` know: the attributes of a job, and Ganeti's names for them."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from jobyard.errors import UnknownField

__all__ = ["FIELDS", "field_reader"]

Reader = Callable[[Any], Any]


def _of_ops(attribute: str) -> Reader:
    read = attrgetter(attribute)
    return lambda job: [read(op) for op in job.ops]


def _ops(job: Any) -> list[dict[str, Any]]:
    return [{"task": op.task, "args": list(op.args), "kwargs": op.kwargs} for op in job.ops]


_OURS = (
    *("id", "status", "priority", "queue", "title", "tags", "attempt", "due", "requester", "definition"),
    *("received_at", "started_at", "ended_at", "worker", "machine", "heartbeat", "logtail", "log_serial"),
    *("progress", "error", "existing"),
)

FIELDS: dict[str, Reader] = {
    **{name: attrgetter(name) for name in _OURS},
    "ops": _ops,
    "attempts": attrgetter("attempts"),
    "result": lambda job: job.ops[-1].result if job.ops else None,
    "archived": lambda _job: False,
    "opresult": _of_ops("result"),
    "opstatus": _of_ops("status"),
    "oplog": _of_ops("log"),
    "opstart": _of_ops("started_at"),
    "opexec": _of_ops("exec_at"),
    "opend": _of_ops("ended_at"),
    "oppriority": _of_ops("priority"),
    "summary": _of_ops("call"),
    "received_ts": attrgetter("received_at"),
    "start_ts": attrgetter("started_at"),
    "end_ts": attrgetter("ended_at"),
}


def field_reader(name: str) -> Reader:
    """What reads this field of a job. Raises `UnknownField` naming it."""
    try:
        return FIELDS[name]
    except KeyError:
        from difflib import get_close_matches  # only for a name that is wrong

        near = get_close_matches(str(name), FIELDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(FIELDS))}"
        msg = f"jobs have no field {name!r}{hint}"
        raise UnknownField(msg) from None
