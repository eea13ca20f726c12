"""
Moving everything that a store has into another, empty one: from a file to PostgreSQL, or back.

Nothing may write to either meanwhile, so the workers are stopped first. It is one transaction there: all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from jobyard.errors import PreconditionFailed
from jobyard.store.driver import Row, Transaction
from jobyard.store.sql import Statements, statements

if TYPE_CHECKING:
    from jobyard.store import Store

__all__ = ["copy"]

_PAGE = 1000
_KEYS = {
    "jobs": ("id",),
    "ops": ("job", "idx"),
    "dependencies": ("parent", "child"),
    "attempts": ("job", "number"),
    "tokens": ("token",),
    "requests": ("id",),
    "queues": ("name",),
    "workers": ("id",),
    "events": ("id",),
    "log": ("id",),
    "progress": ("job", "path"),
    "definitions": ("name",),
    "definition_dependencies": ("definition", "dependency"),
    "builds": ("job",),
    "machines": ("name",),
    "files": ("job",),
}
"""The tables, with their primary keys."""


def copy(
    source: Store,
    target: Store,
    tell: Callable[[str, int], None] = lambda table, count: None,
    *,
    lost_after: float = 30,
) -> dict[str, int]:
    """
    Copy every row of *source* into *target*, whose tables are made if need be.

    Args:
        tell: called with each table and how many rows of it were copied.
        lost_after: seconds of silence after which a worker is lost, and in nobody's way.

    Returns:
        The number of rows by table, counted in both when all were there.

    Raises:
        PreconditionFailed: the target is not empty, a worker of the source is alive, or the counts differ.
    """
    source.check()
    target.upgrade()
    target.check()
    copied = {}
    with target.transaction() as there:
        with source.read() as here:  # no longer: a server ends a transaction that is idle while the rows are counted
            _check_quiet(source, here, lost_after)
            _check_empty(target, there)
            for table, keys in _KEYS.items():
                copied[table] = _copy_table(here, there, _sql(source), table, keys)
                tell(table, copied[table])
        for table, count in copied.items():
            _check_count(there, table, count)
        there.fetch(_sql(target).restart_ids)
    _raise_ids(source, target)
    return copied


def _sql(store: Store) -> Statements:
    return statements(store.driver.dialect, "schema")


def _check_quiet(source: Store, tx: Transaction, lost_after: float) -> None:
    heard_of = source.now() - round(lost_after * 1e6)
    if alive := [worker for worker in source.workers.alive(tx) if worker.heartbeat >= heard_of]:
        names = ", ".join(worker.name for worker in alive)
        msg = (
            f"{source.location}: stop the workers first ({names}), then copy; one that died is lost in {lost_after:g} s"
        )
        raise PreconditionFailed(msg)


def _check_empty(target: Store, tx: Transaction) -> None:
    for table in _KEYS:
        [(count,)] = tx.fetch(f"select count(*) from main.{table}")  # noqa: S608 - names of ours
        if count:
            rows = f"{count} {table.removesuffix('s') if count == 1 else table}"
            msg = f"{target.location} is not empty, it has {rows}; copy into an empty store"
            raise PreconditionFailed(msg)


def _check_count(tx: Transaction, table: str, count: int) -> None:
    [(found,)] = tx.fetch(f"select count(*) from main.{table}")  # noqa: S608 - names of ours
    if found != count:
        msg = (
            f"{count} rows of {table} were copied, but {found} are there: something else writes to it; nothing was kept"
        )
        raise PreconditionFailed(msg)


def _copy_table(here: Transaction, there: Transaction, sql: Statements, table: str, keys: tuple[str, ...]) -> int:
    columns = [name for (name,) in here.fetch(sql.columns, {"table": table})]
    places = [columns.index(key) for key in keys]
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(f":{name}" for name in columns)
    insert = f"insert into main.{table} ({names}) values ({values})"  # noqa: S608 - names of ours
    count = 0
    for rows in _pages(here, table, names, keys, places):
        there.execute_many(insert, rows)
        count += len(rows)
    return count


def _pages(tx: Transaction, table: str, names: str, keys: tuple[str, ...], places: list[int]) -> Iterator[list[Row]]:
    """The rows by primary key, some at a time."""
    select = f"select {names} from main.{table}"  # noqa: S608 - names of ours
    order = f"order by {', '.join(keys)} limit :limit"
    behind = f"where ({', '.join(keys)}) > ({', '.join(f':{key}' for key in keys)})"
    rows = tx.fetch(f"{select} {order}", {"limit": _PAGE})
    while rows:
        yield rows
        last: dict[str, Any] = {key: rows[-1][place] for key, place in zip(keys, places, strict=True)}
        rows = tx.fetch(f"{select} {behind} {order}", {**last, "limit": _PAGE})


def _raise_ids(source: Store, target: Store) -> None:
    """An id is never used twice, also not one whose job was pruned before the copy."""
    with source.transaction() as tx:
        [(used, _)] = tx.fetch(source.jobs.sql.reserve, {"count": 1})
    with target.transaction() as tx:
        [(next_id, _)] = tx.fetch(target.jobs.sql.reserve, {"count": 1})
        if used > next_id:
            tx.fetch(target.jobs.sql.reserve, {"count": used - next_id})
