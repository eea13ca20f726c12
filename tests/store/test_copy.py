"""Everything moves to another store."""

from __future__ import annotations

from contextlib import closing

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, end, make, new, put, row

from jobyard import retval
from jobyard.errors import PreconditionFailed
from jobyard.model.messages import LogLine, ProgressReport
from jobyard.model.states import STATUSES
from jobyard.store import open_store
from jobyard.store.copy import copy
from jobyard.store.sql import statements


@pytest.fixture
def target(other_url, clock):
    with closing(open_store(other_url, clock=clock)) as store:
        yield store


def everything(store):
    """The rows of every table of the schema, but for those that tell of the schema itself and of who sleeps."""
    sql = statements(store.driver.dialect, "schema")
    with store.read() as tx:
        tables = {name for (name,) in tx.fetch(sql.tables)} - {"schema_version", "idle"}
        return {table: rows(tx, sql, table) for table in tables}


def rows(tx, sql, table):
    columns = [name for (name,) in tx.fetch(sql.columns, {"table": table})]
    names = ", ".join(f'"{name}"' for name in columns)
    found = [dict(zip(columns, row, strict=True)) for row in tx.fetch(f"select {names} from main.{table}")]
    return sorted(found, key=repr)


def fill(store, yard):
    """Something in every table."""
    for status in STATUSES:
        make(store, status)
    put(store, new(unique="k", token="t"), new(ops=["a", "b"], requester="ann"), new(args='["a\\u0000b"]'))
    act(store, "retry", make(store, "failed"))
    [claimed] = claim(store, queues=["of running 2"], tasks=["t"]) or claim(store, limit=1)
    line = LogLine(0, store.now(), 20, "app", "hello", None, None)
    stopped, now = add_worker(store), store.now()
    with store.transaction() as tx:
        store.records.write(tx, claimed.id, claimed.epoch, [line] * 3, [ProgressReport(["a"], 1, 2, "")], now)
        store.queues.change(tx, "slow", paused=True, aging=2.5)
        store.requests.ask(tx, "stack", claimed, now)
        store.requests.keep_stack(tx, claimed, "a\nb", now)
        store.files.put(tx, claimed.id, b"\0of a foreign runner", now)
        store.workers.end(tx, stopped, "stopped", now)
    yard.task(name="t")(lambda n: n)
    yard.definitions.add("low", "t", kwargs={"n": 7}, title="Low", state="draft")
    yard.definitions.add("high", "t", args=[retval("low")], dependencies=["low"], state="draft")
    yard.builds.create_build("high", build_config={"dependency_builds": {"low": None}})
    yard.machines.online("m1", message="new rack")


def test_every_row_is_there(store, yard, target):
    fill(store, yard)
    told = []

    counts = copy(store, target, lambda table, count: told.append((table, count)))

    before = everything(store)
    assert [table for table, rows in before.items() if not rows] == []  # each is filled, also one to come
    assert everything(target) == before
    assert counts == dict(told) == {table: len(rows) for table, rows in before.items()}


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
