"""One job of several ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from jobyard.errors import BadArguments
from jobyard.model.newjob import NewJob, NewOp
from jobyard.model.op import Op
from jobyard.task.dependencies import check_order, merged
from jobyard.task.options import CallOptions, require_process
from jobyard.task.registry import Registry

__all__ = ["new_job"]


def new_job(ops: Sequence[Op], call: CallOptions, tasks: Registry) -> NewJob:
    """
    A job that runs *ops* one after another.

    Its queue is the call's, else that of the first op's task. An op's priority is its own, else the call's, else its
    task's, else the queue's; the job's is the most urgent of them. A job of one op is as unique as its task says.

    Raises:
        BadArguments: there is no op, one takes the result of an op that is not before it, or an option does not fit.
        UnknownTask: the task of an op is not among *tasks*.
    """
    given = [_given(op) for op in ops]
    if not given:
        msg = "a job has at least one op: give task.op(...)"
        raise BadArguments(msg)
    for index, op in enumerate(given):
        check_order(op, index)
    first = tasks.get(given[0].task).options
    if call.memory_limit is not None:
        require_process(call.isolation or first.isolation)
    job = call.blank_job(first.queue, first.title)
    job.ops = [msgspec.structs.replace(op, priority=_priority(op, call, tasks)) for op in given]
    job.priority = call.priority
    job.after = merged(job.after, [ref for op in given for ref in op.refs])
    job.unique = _unique_key(ops, call, tasks)
    return job


def _given(op: Any) -> NewOp:
    if not isinstance(op, Op):
        msg = f"{op!r} is no op: give task.op(...)"
        raise BadArguments(msg)
    if op.new is None:
        msg = f"{op!r} belongs to a job already: make a new one with task.op(...)"
        raise BadArguments(msg)
    return op.new


def _priority(op: NewOp, call: CallOptions, tasks: Registry) -> int | None:
    said = (op.priority, call.priority, tasks.get(op.task).options.priority)
    return next((each for each in said if each is not None), None)


def _unique_key(ops: Sequence[Op], call: CallOptions, tasks: Registry) -> str | None:
    if len(ops) == 1:
        task = tasks.get(ops[0].task)
        return task.using(unique=call.unique).unique_key(ops[0].args, ops[0].kwargs)
    if callable(call.unique):
        msg = "unique=: a callable is given the arguments of one call, and this job has several ops; give a text"
        raise BadArguments(msg)
    return _digest(ops) if call.unique is True else call.unique or None


def _digest(ops: Iterable[Op]) -> str:
    import hashlib  # with it comes OpenSSL, which is slow to load

    content = msgspec.json.encode([(op.new.task, op.new.args, op.new.refs) for op in ops if op.new])
    return f"ops:{hashlib.sha256(content).hexdigest()}"
