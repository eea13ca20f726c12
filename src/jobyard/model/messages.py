"""
What the claimer and its slots say to each other.

Slots never open the store. A thread, the event loop and a child process speak these messages with the claimer, which
alone writes. Within a process the objects are handed over as they are; to a child they travel as msgpack.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jobyard.model.rows import JobRow, OpRow

__all__ = [
    "Abandoned",
    "Beat",
    "Call",
    "Cancel",
    "Deadline",
    "Died",
    "Downstream",
    "Ended",
    "Enqueue",
    "Lines",
    "LogLine",
    "Outcome",
    "ProgressReport",
    "Reply",
    "Run",
    "Stack",
    "StackTaken",
    "Stop",
    "TakeBack",
    "Upstream",
    "Upward",
    "Value",
    "Worn",
    "Written",
]


class Value(msgspec.Struct, array_like=True, gc=False):
    """A result that stands in the arguments: where, of which task, and its stored text."""

    path: list[str | int]
    task: str
    result: str | None


class Call(msgspec.Struct, array_like=True, gc=False):
    """One op to run. `op_refs` are references to earlier ops of the same job: (path, index of the op)."""

    index: int
    task: str
    args: str
    values: list[Value] = []
    op_refs: list[tuple[list[str | int], int]] = []


# Downstream: from the claimer to a slot.


class Run(msgspec.Struct, array_like=True, tag="run", gc=False):
    """
    A claimed job, to be run from op `row.cursor` on.

    `calls` are the ops to run, in order; None stands for the usual one op, which is in the row itself without
    references. The claimer gives a job of several ops one after another, so that a cancel in between is never missed.
    `results` are the (task, stored result) of the finished ops, for `op_refs`.
    The policy is resolved: what the call, the task, the queue and the yard say, in this order. Seconds and bytes.
    """

    row: JobRow
    calls: list[Call] | None = None
    results: Sequence[tuple[str, str | None]] = ()
    timeout: float | None = None
    heartbeat_timeout: float | None = None
    isolation: str | None = None
    memory_limit: int | None = None
    serial: int = 0
    """Its place in the line of a child process, by which the parent knows after a crash whether it had begun."""
    sync: bool = False
    """Its slot takes the next run when its outcome is `Written`, not before."""
    ahead: int = 0
    """By how many microseconds the clock of this machine is ahead of the store's, by which all instants are told."""
    ops: list[OpRow] | None = None
    """All ops of a job of several, for `ctx.job`: its slot cannot ask the store for them."""


class Cancel(msgspec.Struct, array_like=True, tag="cancel"):
    """
    Stop a run. `why`: ``cancel`` (asked for), ``drain`` (the worker stops), ``lost`` (the epoch is stale).

    `grace` seconds pass between the flag and the forced stop. A run that has not begun never begins.
    """

    id: int
    epoch: int
    why: str
    grace: float


class Stack(msgspec.Struct, array_like=True, tag="stack"):
    """Ask for the Python stack of a run; the answer is `StackTaken` with the same request number."""

    request: int
    id: int
    epoch: int


class Reply(msgspec.Struct, array_like=True, tag="reply"):
    """The answer to an `Enqueue`: the stored rows, or the name and text of the error."""

    call: int
    rows: list[JobRow]
    existing: list[bool]
    error: tuple[str, str] | None = None


class TakeBack(msgspec.Struct, array_like=True, tag="take_back"):
    """Give back those of these runs (None: of all) that have not begun: each is a `NotBegun`."""

    keys: list[tuple[int, int]] | None = None


class Written(msgspec.Struct, array_like=True, tag="written"):
    """The outcome of a `sync` run is stored: its slot is free."""

    id: int
    epoch: int


class Stop(msgspec.Struct, array_like=True, tag="stop"):
    """The host has no more work to expect and ends when its runs have."""


Downstream = list[Run | Cancel | Stack | Reply | TakeBack | Written | Stop]


# Upstream: from a slot to the claimer.


class Ended:
    """How an op of an attempt ended (`Outcome.ended`)."""

    RETURNED = "returned"
    RAISED = "raised"
    SKIPPED = "skipped"
    RETRY = "retry"
    SUSPENDED = "suspended"
    CANCELED = "canceled"
    TIMEOUT = "timeout"
    DRAINED = "drained"
    """Stopped because the worker stops: the job goes back, no attempt spent."""
    UNFIT = "unfit"
    """The stored arguments no longer fit the task: the job is suspended, `error` names the parameter."""
    UNKNOWN = "unknown"
    """The next op's task is not registered here: the job goes back for a worker that knows it."""
    CRASHED = "crashed"
    """The child died; `error` names exit code or signal."""


class LogLine(msgspec.Struct, array_like=True, gc=False):
    """One log record. Text is escaped (`text.escape`); `data` is JSON of the rest (path, line, args as reprs, ...)."""

    op: int
    at: int
    level: int
    logger: str
    message: str
    traceback: str | None = None
    data: str | None = None


class ProgressReport(msgspec.Struct, array_like=True, gc=False):
    """The newest figures of one progress group."""

    group: list[str]
    current: float
    total: float | None
    status: str


class Outcome(msgspec.Struct, array_like=True, tag="outcome", gc=False):
    """
    An op has ended. `more`: it returned, others of the run follow, and the slot goes on with the next.

    `lines` and `progress` are the last of the attempt and are written with it. `began` and `seconds` are the instant
    (microseconds) the op's code began and how long it took by the monotonic clock. `types` are the classes of the
    exception, most derived first, as ``module:qualname``: what the retry policy looks at.
    """

    id: int
    epoch: int
    op: int
    ended: str
    result: str | None = None
    error: str | None = None
    types: Sequence[str] = ()
    delay: float | None = None
    more: bool = False
    began: int = 0
    seconds: float = 0.0
    lines: Sequence[LogLine] = ()
    dropped: int = 0
    progress: Sequence[ProgressReport] = ()
    result_status: str | None = None
    logtail: str | None = None
    finished_by_user: bool = False
    """`ctx.finish` has written the outcome in the task's own transaction: this one counts only if that rolled back."""
    awaited: bool = False
    """The slot waits until it is stored."""


class Lines(msgspec.Struct, array_like=True, tag="lines"):
    """Log lines and progress of a run that goes on. `dropped` lines were cut from the middle (`max_log`)."""

    id: int
    epoch: int
    lines: list[LogLine] = []
    dropped: int = 0
    progress: list[ProgressReport] = []


class Beat(msgspec.Struct, array_like=True, tag="beat"):
    """`ctx.heartbeat`: the job is alive; None keeps the log tail."""

    id: int
    epoch: int
    logtail: str | None = None


class Enqueue(msgspec.Struct, array_like=True, tag="enqueue"):
    """`ctx.enqueue`: store these jobs if the run still holds its job. `jobs` is msgpack of a list of `NewJob`."""

    call: int
    id: int
    epoch: int
    jobs: bytes


class StackTaken(msgspec.Struct, array_like=True, tag="stack_taken"):
    """The answer to `Stack`, or taken by itself when a run passed its timeout (request 0). `stack` is JSON."""

    request: int
    id: int
    epoch: int
    stack: str


class Deadline(msgspec.Struct, array_like=True, tag="deadline"):
    """A run passed its timeout and is being stopped; its `Outcome` (or `Abandoned`) follows."""

    id: int
    epoch: int


class Abandoned(msgspec.Struct, array_like=True, tag="abandoned"):
    """
    A thread would not stop and was given up; a new one has its slot.

    Its outcome, should it ever come, is dropped. `ended` and `error` are what the job's attempt ends with.
    """

    id: int
    epoch: int
    op: int
    ended: str
    error: str | None = None


class NotBegun(msgspec.Struct, array_like=True, tag="not_begun"):
    """A child gave this run back, or died before it began: the job goes back."""

    id: int
    epoch: int


class Ready(msgspec.Struct, array_like=True, tag="ready"):
    """The first word of a child: the names of the tasks it found, or the error that kept it from starting."""

    tasks: list[str] = []
    error: str | None = None


class Died(msgspec.Struct, array_like=True, tag="died"):
    """A child ended unasked. `how` names its exit code or signal, `jobs` what it ran."""

    pid: int
    how: str
    jobs: list[int] = []


class Worn(msgspec.Struct, array_like=True, tag="worn"):
    """A child asks to be replaced, and says why: it has served its share, or a job left a trace in it."""

    why: str


Upward = Outcome | Lines | Beat | Enqueue | StackTaken | Deadline | Abandoned | NotBegun | Ready | Died | Worn
Upstream = list[Upward]
