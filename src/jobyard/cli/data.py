"""What ``--json`` shows: the fields of the public surface by the same names, as plain data."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jobyard.model.job import Job
    from jobyard.model.op import Op

__all__ = ["JOB_FIELDS", "OP_FIELDS", "job_data", "json_text", "op_data", "plain"]

JOB_FIELDS = (
    *("id", "status", "priority", "queue", "title", "ops", "attempt", "attempts", "due", "requester", "definition"),
    *("received_at", "started_at", "ended_at", "worker", "machine", "heartbeat", "logtail", "log_serial", "progress"),
    *("result", "error", "existing", "tags"),
)

OP_FIELDS = (
    *("index", "task", "args", "kwargs", "status", "result", "error", "priority"),
    *("started_at", "exec_at", "ended_at"),
)


def job_data(job: Job[Any]) -> dict[str, Any]:
    """A job with all its fields; `result` is None until it succeeded."""
    return {name: plain(_READERS[name](job) if name in _READERS else getattr(job, name)) for name in JOB_FIELDS}


def op_data(op: Op) -> dict[str, Any]:
    """An op with its fields, without its log."""
    return {name: plain(getattr(op, name)) for name in OP_FIELDS}


_READERS: dict[str, Callable[[Any], Any]] = {
    "ops": lambda job: [op_data(op) for op in job.ops],
    "result": lambda job: job.ops[-1].result if job.status == "succeeded" else None,
}


_AS_IT_IS = frozenset({type(None), bool, int, str})


def json_text(value: Any, *, indent: bool) -> str:
    return json.dumps(plain(value), indent=2 if indent else None, ensure_ascii=False)


def plain(value: Any) -> Any:
    """The value as JSON has it: instants in ISO form, enums by value, objects by their fields, the rest as text."""
    if type(value) in _AS_IT_IS:  # nearly all that a long listing has
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _key(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [plain(each) for each in value]
    return _plain_object(value)


def _key(key: Any) -> str:
    made = plain(key)
    return made if isinstance(made, str) else json.dumps(made)


def _plain_object(value: Any) -> Any:
    from jobyard.model.traceback import RemoteError, StackTrace

    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, RemoteError):
        return {**value.data, "summary": value.summary, "traceback": str(value)}
    if isinstance(value, StackTrace):
        return plain(value.data)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return str(value)
