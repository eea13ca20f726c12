"""
Work on the store that may run on any connection, sync or async: a generator that yields statements and is sent rows.

`run` drives a plan over a transaction, `begin` no further than it must, and `arun` drives one over an awaited one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from jobyard.store.driver import Params, Row, Transaction

__all__ = ["AsyncTransaction", "Batch", "Plan", "Queries", "Query", "arun", "begin", "run"]

T = TypeVar("T")


class Query(NamedTuple):
    """One statement, whose rows come back."""

    statement: str
    params: Params = {}  # noqa: RUF012 - never changed


class Queries(NamedTuple):
    """Statements that do not need each other's rows, which come back as a list for each; they run in this order."""

    each: Sequence[Query]


class Batch(NamedTuple):
    """One statement for one or many rows of parameters; nothing comes back, so a driver need not wait for it."""

    statement: str
    rows: Sequence[Sequence[Any]]


Plan = Generator[Query | Queries | Batch, Any, T]


class AsyncTransaction(Protocol):
    """The awaited twin of `Transaction`, on a connection of the caller's."""

    async def fetch(self, statement: str, params: Params) -> list[Row]: ...
    async def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None: ...


def run(plan: Plan[T], transaction: Transaction) -> T:
    return begin(plan, transaction)()


def begin(plan: Plan[T], transaction: Transaction, meanwhile: Callable[[], object] = lambda: None) -> Callable[[], T]:
    """
    Send the first step of a plan; what is returned waits for its rows, and runs the others.

    *meanwhile* is called while the database is at work on that step, as in `Transaction.ask`, and may use the
    transaction itself, unless the plan needs the rows that it changes.
    """
    try:
        rows = _sent(plan, None, transaction, meanwhile)
    except StopIteration as end:
        meanwhile()
        result: T = end.value
        return lambda: result

    def rest() -> T:
        answer = rows
        try:
            while True:
                answer = _sent(plan, answer(), transaction)
        except StopIteration as end:
            result: T = end.value
            return result

    return rest


def _sent(
    plan: Plan[T], answer: object, transaction: Transaction, meanwhile: Callable[[], object] | None = None
) -> Callable[[], object]:
    """Give a plan the answer to its last step, and send the next one; what is returned waits for the answer to that."""
    step = plan.send(answer)
    if isinstance(step, Batch):
        transaction.execute_many(step.statement, step.rows)
        if meanwhile is not None:
            meanwhile()
        return lambda: None
    *first, last = step.each if isinstance(step, Queries) else [step]
    asked = [transaction.ask(*query) for query in first]
    asked.append(transaction.ask(*last, meanwhile=meanwhile))
    return (lambda: [rows() for rows in asked]) if isinstance(step, Queries) else asked[0]


async def arun(plan: Plan[T], transaction: AsyncTransaction) -> T:
    answer: object = None
    try:
        while True:
            step = plan.send(answer)
            if isinstance(step, Query):
                answer = await transaction.fetch(step.statement, step.params)
            elif isinstance(step, Queries):
                answer = [await transaction.fetch(*query) for query in step.each]
            else:
                await transaction.execute_many(step.statement, step.rows)
                answer = None
    except StopIteration as end:
        result: T = end.value
        return result
