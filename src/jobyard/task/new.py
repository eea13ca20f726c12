"""One job of several ops."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.newjob import NewJob, NewOp
from jobyard.task.dependencies import merged
from jobyard.task.options import CallOptions
from jobyard.task.task import Task

__all__ = ["new_job"]


def new_job(ops: Sequence[NewOp], call: CallOptions, tasks: Mapping[str, Task[..., Any]]) -> NewJob:
    """
    A job that runs *ops* one after another.

    Its queue is the call's, else that of the first op's task. An op's priority is its own, else the call's, else its
    task's; the job's is the most urgent of them.

    Raises:
        BadArguments: there is no op, one takes the result of an op that is not before it, or an option does not fit.
        KeyError: the task of an op is not among *tasks*.
    """
    if not ops:
        msg = "a job has at least one op: give task.op(...)"
        raise BadArguments(msg)
    _check_order(ops)
    first = tasks[ops[0].task].options
    job = call.blank_job(first.queue, first.title)
    job.ops = [msgspec.structs.replace(op, priority=_priority(op, call, tasks)) for op in ops]
    job.priority = min(op.priority or 0 for op in job.ops)
    job.after = merged(job.after, (ref for op in ops for ref in op.refs))
    job.unique = _unique_key(ops, call)
    return job


def _check_order(ops: Sequence[NewOp]) -> None:
    for index, op in enumerate(ops):
        for ref in op.refs:
            if ref.op is not None and ref.job is None and not 0 <= ref.op < index:
                msg = f"retval(op={ref.op}) in op {index} ({op.task}): only the ops before it have results by then"
                raise BadArguments(msg)


def _priority(op: NewOp, call: CallOptions, tasks: Mapping[str, Task[..., Any]]) -> int | None:
    said = (op.priority, call.priority, tasks[op.task].options.priority)
    return next((each for each in said if each is not None), None)


def _unique_key(ops: Sequence[NewOp], call: CallOptions) -> str | None:
    if call.unique is None:
        return ops[0].unique if len(ops) == 1 else None
    if isinstance(call.unique, str):
        return call.unique
    if callable(call.unique):
        msg = "unique=: a job made of ops has no arguments to give to a callable; give True or a text"
        raise BadArguments(msg)
    return _digest(ops) if call.unique else None


def _digest(ops: Sequence[NewOp]) -> str:
    content = msgspec.json.encode([(op.task, op.args, op.refs) for op in ops])
    return f"{ops[0].task}:{hashlib.sha256(content).hexdigest()}"
