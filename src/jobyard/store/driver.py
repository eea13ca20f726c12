"""What a database must be able to do. Nothing in here knows about jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, Protocol

from jobyard.errors import StoreUnavailable

__all__ = ["Driver", "Heed", "Params", "Row", "Transaction", "Unanswered"]

Params = Mapping[str, Any]
Row = tuple[Any, ...]


class Heed(IntEnum):
    """What a listener that sleeps wants to be woken for; each includes those with a higher number."""

    ANYTHING = 0
    JOBS = 1
    """Jobs to claim."""
    REQUESTS = 2
    """What is asked of workers: to cancel a job, to show its stack."""


class Unanswered(StoreUnavailable):
    """
    The word of a statement is lost.

    Args:
        end: returns once nothing can come of the statement any more, so that what it did can be looked up. Raises
            `StoreError` if that cannot be known yet.
    """

    def __init__(self, message: str, end: Callable[[], None]) -> None:
        super().__init__(message)
        self.end = end


class Transaction(Protocol):
    """
    An open transaction. Statements are written with ``:name`` parameters.

    ``main.`` before the name of a table stands for where jobyard's tables are. A batch travels as one JSON text in one
    statement (``json_each``), so that it costs one call into the database, and, in a process full of threads, one
    release of the interpreter lock.
    """

    def fetch(self, statement: str, params: Params = ...) -> list[Row]:
        """Run one statement and return all its rows."""

    def ask(
        self, statement: str, params: Params = ..., *, meanwhile: Callable[[], object] | None = None
    ) -> Callable[[], list[Row]]:
        """
        Send one statement; what is returned waits for its rows.

        *meanwhile* has other threads go on while the database is at work on it: it is called when that begins.

        So statements that do not need each other's rows cost one round trip together. They run in the order in which
        they were sent, and those that nobody waits for at the latest with the commit; their rows can be had after it,
        unless the connection broke in it (`StoreError`).
        """

    def ask_stream(self, statement: str, params: Params, take: Callable[[list[Row]], object]) -> Callable[[], object]:
        """
        `ask`, but the rows are given to *take*, some at a time, while the database still makes the others.

        *take* is called while this or anything else is waited for, and must not use the transaction. What it raises
        comes out there, and may cost the connection.
        """

    def execute(self, statement: str, params: Params = ...) -> int:
        """Run one statement and return how many rows it changed."""

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row; a row has its parameters in the order of their first use."""


class Driver(Protocol):
    """A database. Thread-safe; opens nothing before its first use."""

    dialect: str
    schema: str
    """What ``main`` stands for."""
    loses_replies: bool
    """Whether a connection may break between a commit and the word of it."""

    @property
    def location(self) -> str:
        """Where the data lie, for people."""

    @property
    def is_there(self) -> bool:
        """Whether there is a database to look into; one that the first use would make is not."""

    def now(self) -> int:
        """The database's clock, in microseconds since the epoch."""

    def transaction(self, *, durable: bool = True, priority: bool = False) -> AbstractContextManager[Transaction]:
        """
        A write transaction: committed at the end of the block, rolled back if it raises.

        Args:
            priority: it must not wait until other threads of this process are done with the database.
            durable: False for what may be undone by a power cut, as long as all its witnesses end with it: a claim on
                one machine. A database that outlives its clients commits durably all the same.

        Raises:
            StoreBusy: it could not begin within the busy timeout.
            StoreUnavailable: the database cannot be reached or written.
        """

    def alone(
        self,
        statement: str,
        params: Params,
        *,
        queues: Collection[str] | None = None,
        durable: bool = True,
        ends: bool = False,
    ) -> list[Row]:
        """
        Run one statement that is a write transaction of its own; the rows come back once it is committed.

        Args:
            queues: those in which it makes work, as in `notify`, which need not be called; None if it makes none.
            durable: as in `transaction`.
            ends: where the word of it is lost, the error is `Unanswered`, and not in doubt.

        Raises:
            StoreUnavailable: the database cannot be reached, or the word of it is lost, which is `in_doubt`.
        """

    def read(self) -> AbstractContextManager[Transaction]:
        """A short read transaction: every statement in it sees the same state."""

    def notify(
        self,
        *,
        everywhere: bool,
        asked: bool = False,
        queues: Collection[str] | None = None,
        by: Callable[[], None] | None = None,
    ) -> None:
        """
        Say that something was committed. Call it after the commit; it raises nothing.

        The listeners of this process are told at once, those of others as soon as what they heed is there.

        Args:
            everywhere: there is work for an idle worker.
            asked: there is a request to a worker, which may be busy.
            queues: those in which the work is, if that is known.
            by: the listener that says so and need not be called.
        """

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """
        Call *callback* whenever something may have been committed, here or elsewhere, until the returned is called.

        It is called from another thread, too often rather than too seldom, and must return at once.
        """

    def rest(self, heed: Heed, queues: Collection[str] | None = None) -> bool:
        """
        Say that a listener is about to sleep, so that who commits elsewhere takes the trouble to wake it.

        Args:
            queues: those whose jobs it heeds; None for all.

        Returns:
            Whether to look once more before sleeping, since something may have been committed in between.
        """

    def write_much(self) -> None:
        """Say that this process will write often, as a worker does: single commits may take longer for it."""

    @property
    def notice(self) -> tuple[str, Params] | None:
        """What in a caller's transaction has its commit wake all listeners; None: they find out by themselves."""

    def qualified(self, statement: str) -> str:
        """The statement as connections that are not the driver's understand it."""

    def facts(self) -> dict[str, Any]:
        """
        What an operator wants to know of the database, by name.

        Among it are ``location``, ``version``, ``clock`` (`now`), ``size`` (bytes), ``faults``: what is wrong with the
        database itself, in words; empty where nothing is; and ``warnings``: what is wrong beside it, likewise.
        """

    def close(self) -> None:
        """Close all connections; a later use opens new ones."""
