"""Scheduled and queued differ by the clock alone."""

from __future__ import annotations

from datetime import timedelta

from tests.store.acts import SECOND, claim, end, new, put, row

from jobyard.model.instants import to_micros
from jobyard.model.states import Status
from jobyard.store.filters import JobFilter, count_jobs, find_jobs
from jobyard.store.jobs import as_read


def found(store, **conditions):
    with store.read() as tx:
        return [row.id for row in find_jobs(tx, JobFilter(**conditions), store.now())]


def counts(store, *by, **conditions):
    with store.read() as tx:
        return count_jobs(tx, by, JobFilter(**conditions), store.now())


def test_a_job_is_scheduled_until_its_due_and_queued_from_then_on(store, clock):
    [id] = put(store, new(delay=10 * SECOND))
    assert as_read(row(store, id), store.now()).status == 0
    clock.advance(9.999999)
    assert as_read(row(store, id), store.now()).status == 0

    clock.advance(0.000001)

    assert as_read(row(store, id), store.now()).status == 1


def test_a_due_instant_in_the_past_is_queued_at_once(store, clock):
    [id] = put(store, new(due=to_micros(clock.now() - timedelta(days=1))))

    assert row(store, id).status == 1


def test_filters_and_counts_read_a_due_job_as_queued(store, clock):
    [id] = put(store, new(delay=10 * SECOND))
    for step, state, other in ((0, "scheduled", "queued"), (10, "queued", "scheduled")):
        clock.advance(step)

        assert found(store, statuses=(Status(state),)) == [id]
        assert found(store, statuses=(Status(other),)) == []
        assert found(store, statuses=(Status(state), Status.FAILED)) == [id]
        assert found(store, statuses=(Status.SCHEDULED, Status.QUEUED)) == [id]
        assert counts(store, "status") == [(["scheduled", "queued"].index(state), 1)]
        assert counts(store, statuses=(Status(state),)) == [(1,)]


def test_promote_makes_due_jobs_ready(store, clock):
    early, late = put(store, new(delay=10 * SECOND), new(delay=20 * SECOND))
    clock.advance(10)

    with store.transaction() as tx:
        assert store.jobs.promote(tx, store.now()) == 1
        assert store.jobs.promote(tx, store.now()) == 0

    assert [row.id for row in claim(store)] == [early]
    assert row(store, late).status == 0


def test_the_next_due_is_the_earliest(store, clock):
    with store.read() as tx:
        assert store.jobs.next_due(tx) is None
    put(store, new(delay=20 * SECOND), new(delay=10 * SECOND), new())

    with store.read() as tx:
        assert store.jobs.next_due(tx) == store.now() + 10 * SECOND


def test_ready_and_running_jobs_count_as_due(store, clock):
    put(store, new(), new(), new(delay=10 * SECOND), new(after=[-1]))
    end(store, *claim(store, limit=1))
    claim(store, limit=1)

    for step, expected in ((0, 1), (10, 2)):
        clock.advance(step)
        with store.read() as tx:
            assert store.jobs.count_due(tx, store.now()) == expected


def test_each_filter_leaves_out_the_others(store, clock):
    a = put(store, new("a", queue="q", requester="ann"))[0]
    clock.advance(10)
    b = put(store, new("b", queue="r", definition="d"))[0]
    with store.transaction() as tx:
        tx.execute_many(store.builds.sql.add, [(b, "d", None, None, None, None)])
    start = store.now()

    assert found(store, tasks=("a",)) == found(store, queues=("q",)) == found(store, requester="ann") == [a]
    assert found(store, definition="d") == found(store, since=start) == [b]
    assert found(store, until=start) == [a]
    assert found(store, since=start - 10 * SECOND, until=start) == [a]
    assert found(store, statuses=()) == found(store, queues=()) == []


def test_listings_are_newest_first_and_limited(store):
    stored = put(store, *[new() for _ in range(120)])

    assert found(store) == stored[:19:-1]
    assert found(store, limit=None) == stored[::-1]
    assert found(store, limit=2, newest_first=False) == stored[:2]


def test_counts_group_by_what_is_asked(store):
    put(store, new("a", queue="q"), new("a", queue="q"), new("b", queue="q"), new("b", queue="r", priority=3))

    assert counts(store) == [(4,)]
    assert counts(store, "queue", "task") == [("q", "a", 2), ("q", "b", 1), ("r", "b", 1)]
    assert counts(store, "priority") == [(0, 3), (3, 1)]
    assert counts(store, "queue", tasks=("b",)) == [("q", 1), ("r", 1)]


def test_expired_are_those_that_have_not_begun_in_time(store, clock):
    expired, begun, later = put(store, new(expires=5 * SECOND), new("u", expires=5 * SECOND), new(expires=6 * SECOND))
    claim(store, tasks=["u"])
    clock.advance(5)

    with store.transaction() as tx:
        effect = store.control.end_expired(tx, store.jobs.ask_expired(tx, store.now())(), store.now())

    assert [row.id for row in effect.ended] == [expired]
    assert [row(store, id).status for id in (expired, begun, later)] == [9, 4, 1]
