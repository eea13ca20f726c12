"""What is kept for how long, and what goes with it."""

from __future__ import annotations

import pytest
from tests.store.acts import DAY, act, add_worker, claim, end, make, new, put, row, status

from jobyard.errors import UnknownJob
from jobyard.model.messages import LogLine, ProgressReport
from jobyard.store.events import EventFilter
from jobyard.store.invariants import check_invariants
from jobyard.store.prune import Pruned, prune

KEEP, KEEP_FAILED = 7 * 86_400, 30 * 86_400


def pruned(store, **options):
    return prune(store, **{"keep": KEEP, "keep_failed": KEEP_FAILED, "now": store.now(), **options})


def days(clock, count):
    clock.advance(count * 86_400)


def exists(store, id):
    try:
        return row(store, id).id == id
    except UnknownJob:
        return False


def left(store, ids):
    return [id for id in ids if exists(store, id)]


@pytest.mark.parametrize(
    ("state", "kept"), [("succeeded", 7), ("skipped", 7), ("canceled", 7), ("failed", 30)], ids=lambda value: str(value)
)
def test_an_ended_job_stays_its_time(store, clock, state, kept):
    id = make(store, state)
    days(clock, kept)
    assert pruned(store).jobs == 0
    assert exists(store, id)

    clock.advance(0.000001)

    assert pruned(store).jobs == 1
    assert not exists(store, id)


@pytest.mark.parametrize("state", ["scheduled", "queued", "waiting", "suspended", "running", "canceling"])
def test_an_unfinished_job_stays_for_ever(store, clock, state):
    id = make(store, state)
    days(clock, 1000)

    assert pruned(store).jobs == 0
    assert exists(store, id)


def test_a_job_that_an_unfinished_one_depends_on_stays(store, clock):
    parent, other, child = put(store, new(), new(), new(after=[-1, -2]))
    end(store, *claim(store, limit=1))
    days(clock, 10)
    assert pruned(store).jobs == 0
    end(store, *claim(store, limit=1))
    end(store, *claim(store, limit=1))
    days(clock, 10)

    assert pruned(store).jobs == 3
    assert left(store, [parent, other, child]) == []


def test_a_job_whose_unique_key_still_holds_stays(store, clock):
    [id] = put(store, new(unique="k", unique_for=20 * 86_400.0))
    end(store, *claim(store))
    days(clock, 19)
    assert pruned(store).jobs == 0

    days(clock, 1)

    assert pruned(store).jobs == 1
    assert put(store, new(unique="k")) != [id]


def test_all_that_is_a_jobs_own_goes_with_it(store, clock):
    parent, gone, kept = put(store, new(ops=["a", "b"]), new(after=[-1]), new())
    [claimed] = claim(store, tasks="ab", worker=add_worker(store))
    with store.transaction() as tx:
        lines = [LogLine(0, store.now(), 40, "l", "m")]
        store.records.write(tx, parent, claimed.epoch, lines, [ProgressReport(["g"], 1, 2, "")], store.now())
        store.requests.keep_stack(tx, claimed, "stack", store.now())
    act(store, "cancel", parent)
    end(store, row(store, parent), "canceled")
    act(store, "retry", parent)
    act(store, "cancel", parent)
    days(clock, 8)

    pruned(store)

    assert left(store, [parent, gone, kept]) == [kept]
    with store.read() as tx:
        assert store.jobs.ops(tx, [parent]) == {}
        assert store.jobs.parents(tx, gone) == []
        assert store.jobs.attempts(tx, parent) == []
        assert store.records.log(tx, parent) == []
        assert store.records.progress(tx, parent) == []
        assert store.requests.last_stack(tx, parent) is None
    assert check_invariants(store, now=store.now(), lost_after=30) == []


def test_log_lines_go_by_their_level(store, clock):
    [id] = put(store)
    [claimed] = claim(store)
    with store.transaction() as tx:
        lines = [LogLine(0, store.now(), level, "l", str(level)) for level in (10, 20, 30, 40, 50)]
        store.records.write(tx, id, claimed.epoch, lines, [], store.now())

    def levels():
        with store.read() as tx:
            return [entry.level for entry in store.records.log(tx, id)]

    for wait, remaining in (
        (15, [10, 20, 30, 40, 50]),
        (1, [20, 30, 40, 50]),
        (15, [30, 40, 50]),
        (60, [40, 50]),
        (90, []),
    ):
        days(clock, wait)
        before = len(levels())
        assert pruned(store, dry_run=True).log == before - len(remaining)
        assert pruned(store).log == before - len(remaining)
        assert levels() == remaining


def test_events_stay_ninety_days(store, clock):
    id = make(store, "suspended")
    days(clock, 90)
    act(store, "resume", id)
    assert pruned(store).events == 0

    days(clock, 1)

    assert pruned(store).events == 1
    with store.read() as tx:
        assert [event.kind for event in store.events.find(tx, EventFilter())] == ["resume"]


def test_tokens_go_after_their_jobs(store, clock):
    put(store, new(token="old"))
    [unfinished] = put(store, new("other", token="kept"))
    end(store, *claim(store))
    days(clock, 8)

    assert (pruned(store).tokens, pruned(store).tokens) == (0, 1)
    assert put(store, new("other", token="kept")) == [unfinished]


def test_ended_workers_stay_as_long_as_any_job(store, clock):
    gone, alive = add_worker(store, "gone"), add_worker(store, "alive")
    with store.transaction() as tx:
        store.workers.end(tx, gone, "stopped", store.now())
    days(clock, 30)
    assert pruned(store).workers == 0

    days(clock, 1)

    assert pruned(store).workers == 1
    with store.read() as tx:
        assert [worker.id for worker in store.workers.all(tx)] == [alive]


def test_a_dry_run_counts_the_same_and_deletes_nothing(store, clock):
    ids = [make(store, state) for state in ("succeeded", "failed", "canceled", "running", "queued")]
    put(store, new("other", token="x"))
    add_worker(store)
    days(clock, 100)

    foretold = pruned(store, dry_run=True)

    assert left(store, ids) == ids
    assert foretold == pruned(store) == Pruned(jobs=3)
    assert not pruned(store)


def test_more_than_a_batch_goes(store, clock):
    put(store, *[new(after=[]) for _ in range(1100)])
    with store.transaction() as tx:
        for id in range(1, 1101):
            store.control.cancel(tx, id, None, store.now())
    days(clock, 8)

    assert pruned(store, dry_run=True).jobs == 1100
    assert pruned(store).jobs == 1100
    assert left(store, [1, 500, 501, 1100]) == []


def test_counts_read_as_a_line():
    assert str(Pruned(jobs=3, events=2)) == "3 jobs, 2 events"
    assert str(Pruned()) == "nothing"
    assert not Pruned()


def test_an_id_is_never_used_twice(store, clock):
    id = make(store, "succeeded")
    days(clock, 8)
    pruned(store)

    assert put(store)[0] > id
    assert status(store, put(store)[0]) == "queued"
    assert store.now() > 8 * DAY
