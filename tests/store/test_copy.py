"""Everything moves to another store."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, end, make, new, put, row

from jobyard.errors import PreconditionFailed
from jobyard.model.messages import LogLine, ProgressReport
from jobyard.model.states import STATUSES
from jobyard.store import open_store
from jobyard.store.copy import copy
from jobyard.store.events import EventFilter
from jobyard.store.filters import JobFilter, find_jobs


@pytest.fixture
def target(other_url, clock):
    with closing(open_store(other_url, clock=clock)) as store:
        yield store


def everything(store):
    now = store.now()
    with store.read() as tx:
        jobs = find_jobs(tx, JobFilter(limit=None), now)
        ids = [job.id for job in jobs]
        return {
            "jobs": jobs,
            "ops": store.jobs.ops(tx, ids),
            "log": [store.records.log(tx, id) for id in ids],
            "progress": [store.records.progress(tx, id) for id in ids],
            "attempts": [store.jobs.attempts(tx, id) for id in ids],
            "parents": [store.jobs.parents(tx, id) for id in ids],
            "events": store.events.find(tx, EventFilter(limit=None)),
            "queues": store.queues.all(tx),
            "workers": store.workers.all(tx),
        }


def fill(store):
    for status in STATUSES:
        make(store, status)
    put(store, new(unique="k", token="t"), new(ops=["a", "b"], requester="ann"), new(args='["a\\u0000b"]'))
    act(store, "retry", make(store, "failed"))
    [claimed] = claim(store, queues=["of running 2"], tasks=["t"]) or claim(store, limit=1)
    line = LogLine(0, store.now(), 20, "app", "hello", None, None)
    with store.transaction() as tx:
        store.records.write(tx, claimed.id, claimed.epoch, [line] * 3, [ProgressReport(["a"], 1, 2, "")], store.now())
        store.queues.change(tx, "slow", paused=True, aging=2.5)


def test_every_row_is_there(store, target):
    fill(store)
    told = []

    counts = copy(store, target, lambda table, count: told.append((table, count)))

    assert everything(target) == everything(store)
    assert counts["jobs"] == len(everything(store)["jobs"])
    assert counts["log"] == 3
    assert dict(told) == counts


def test_more_than_a_page(store, target):
    put(store, *[new() for _ in range(2500)])

    assert copy(store, target)["jobs"] == 2500
    assert everything(target)["jobs"] == everything(store)["jobs"]


def test_ids_go_on_where_they_were(store, target):
    ids = put(store, new(), new(), new())
    with store.transaction() as tx:
        tx.execute("delete from main.jobs where id = :id", {"id": ids[-1]})
    copy(store, target)

    assert put(target)[0] > ids[-1]
    assert row(target, ids[0]).id == ids[0]


def test_it_goes_on_working(store, target):
    put(store, new(), new(delay=SECOND))
    copy(store, target)

    [claimed] = claim(target, worker=add_worker(target))

    assert end(target, claimed).done != []


def test_a_store_with_jobs_is_refused(store, target):
    put(store)
    target.upgrade()
    put(target)

    with pytest.raises(PreconditionFailed, match="is not empty, it has 1 job;"):
        copy(store, target)


def test_a_living_worker_is_refused(store, target):
    put(store)
    add_worker(store, "busy")

    with pytest.raises(PreconditionFailed, match=r"stop the workers first \(busy\)"):
        copy(store, target)


def test_a_worker_that_died_is_in_nobodys_way(store, target, clock):
    put(store)
    claim(store, worker=add_worker(store, "dead"))
    clock.advance(29)
    with pytest.raises(PreconditionFailed, match="one that died is lost in 30 s"):
        copy(store, target)

    clock.advance(2)
    copy(store, target)

    assert everything(target) == everything(store)
