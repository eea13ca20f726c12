"""
What must always be true of a store, as far as its rows can show it: the checks of ``jobyard doctor``.

The numbers are those of the page on invariants: I7 and I17 have no rows here, I19 is about processes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobyard.store.driver import Row, Transaction
from jobyard.store.sql import Statements, statements

if TYPE_CHECKING:
    from jobyard.store import Store

__all__ = ["Violation", "check_invariants", "facts"]

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_SWEPT = 120
"""Seconds after which a dependant of an ended job must have been woken, at the latest by the sweep."""
_LOGGED = 15
"""Days for which no log line is pruned before its job."""

_CHECKS = (
    ("I1", "rows_without_job", "ops, edges, attempts, log or progress belong to a job that does not exist"),
    ("I1", "missing_ops", "the job does not have as many ops as it was stored with"),
    ("I1", "ids_behind", "the counter of ids is behind the job's: its id would be given again"),
    ("I2", "held_without_claim", "the job is held, but was never claimed, or more often than its epoch rose"),
    ("I2", "epoch_went_back", "a request names an epoch that the job has not reached"),
    ("I3", "log_without_hold", "log lines were written by a run that did not hold the job"),
    ("I4", "end_without_time", "the job is final without a time of its end, or has one and is not final"),
    ("I5", "too_many_attempts", "the job had more attempts, failures or crashes than it may"),
    ("I6", "impossible_status", "status, cursor and task do not fit together"),
    ("I8", "unique_twice", "a unique key is held by more than one job"),
    ("I8", "unique_lost", "the job is unfinished and has lost its unique key"),
    ("I9", "wrong_open_parents", "the counter of open dependencies is not their number"),
    ("I9", "waits_for_nothing", "the job waits without an open dependency"),
    ("I9", "started_too_early", "the job may run or runs while a dependency is open"),
    ("I9", "never_woken", "the job waits for one that ended or is gone"),
    ("I10", "recurrence_without_job", "an active definition that recurs has no unfinished job; this was its last"),
    ("I11", "progress_of_no_run", "the job reports progress and never ran"),
    ("I12", "log_gaps", "the serials of the job's log have gaps"),
    ("I12", "log_of_other_op", "a log line belongs to an op that the job does not have"),
    ("I13", "canceled_but_ran", "the job was canceled before its start and ran"),
    ("I14", "held_by_nobody", "the worker that holds the job is gone, and nobody takes it back"),
    ("I16", "wrong_rank", "the place in the claim order does not follow from priority and due time"),
    ("I18", "pruned_but_needed", "the job needs one that was pruned"),
)


class Violation(NamedTuple):
    """An invariant that does not hold: its number, what is wrong, and some of the jobs with which it is."""

    id: str
    text: str
    jobs: list[int]


def check_invariants(
    store: Store,
    *,
    now: int,
    lost_after: float,
    max_crashes: int | None = None,
    ready_for: float = 60.0,
    limit: int = 20,
) -> list[Violation]:
    """
    Look for jobs that break an invariant; a sound store gives an empty list.

    Args:
        lost_after: seconds of silence after which a worker is lost.
        max_crashes: the reclaim in all that fails a job; None: not checked.
        ready_for: how many seconds a job may be ready beside an idle worker that knows it.
        limit: how many jobs to name with each violation.
    """
    sql = statements(store.driver.dialect, "doctor")
    values = {
        "limit": limit,
        "max_crashes": max_crashes,
        "swept": now - _SWEPT * _SECOND,
        "logged": now - _LOGGED * _DAY,
        "lost": now - round(lost_after * _SECOND),
        "long_lost": now - round(2 * lost_after * _SECOND),
        "ready_since": now - round(ready_for * _SECOND),
    }
    with store.read() as tx:
        found = [Violation(id, text, _ids(tx.fetch(getattr(sql, name), values))) for id, name, text in _CHECKS]
        stuck = Violation("I15", "the job is ready beside an idle worker that knows it", _stuck(tx, sql, values))
    return [violation for violation in [*found, stuck] if violation.jobs]


def _ids(rows: Iterable[Row]) -> list[int]:
    return [id for id, *_ in rows]


def _stuck(tx: Transaction, sql: Statements, values: dict[str, Any]) -> list[int]:
    workers = [
        (None if queues is None else set(msgspec.json.decode(queues)), set(msgspec.json.decode(tasks)))
        for _, queues, tasks in tx.fetch(sql.idle_workers, values)
    ]
    return [
        id
        for id, queue, task in (tx.fetch(sql.ready_too_long, values) if workers else ())
        if any((queues is None or queue in queues) and task in tasks for queues, tasks in workers)
    ]


def facts(store: Store, now: int) -> dict[str, Any]:
    """
    What is worth knowing of a store besides: the facts of its driver, see `Driver.facts`, and ``oldest_ready``: for how
    many seconds the oldest ready job has been due (None: there is none).
    """
    sql = statements(store.driver.dialect, "doctor")
    with store.read() as tx:
        [(due,)] = tx.fetch(sql.oldest_ready, {"now": now})
    oldest = None if due is None else (now - due) / _SECOND
    return {**store.driver.facts(), "oldest_ready": oldest}
