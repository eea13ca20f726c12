"""What each role may do, and what it may not."""

from __future__ import annotations

import psycopg
import pytest
from tests import postgres
from tests.store.acts import act, add_worker, claim, end, new, put, status

from jobyard.errors import StoreUnavailable
from jobyard.store import open_store
from jobyard.store.filters import JobFilter, find_jobs
from jobyard.store.invariants import check_invariants
from jobyard.store.postgres.roles import roles_sql

ROLES = ["owner", "worker", "enqueue", "read"]


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield url
    schema = url.rpartition("schema=")[2]
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"drop role if exists {schema}_{role}_user")
            connection.execute(f"drop role if exists {schema}_{role}")


@pytest.fixture
def granted(store, url):
    """The roles, each with a user."""
    schema = store.driver.schema
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        for _ in range(2):  # it may be run again
            connection.execute(roles_sql(schema))
        for role in ROLES:
            connection.execute(f"create role {schema}_{role}_user login in role {schema}_{role}")


@pytest.fixture
def as_role(granted, url, store, clock):
    stores = []

    def open_as(role):
        user = f"{store.driver.schema}_{role}_user"
        stores.append(open_store(url.replace("postgres@", f"{user}@"), clock=clock))
        return stores[-1]

    yield open_as
    for each in stores:
        each.close()


def refused(store, statement):
    with pytest.raises(StoreUnavailable, match="lacks a right"), store.transaction() as tx:
        tx.execute(statement)


def found(store):
    with store.read() as tx:
        return len(find_jobs(tx, JobFilter(), store.now()))


def test_a_worker_works_and_makes_no_tables(as_role, store):
    worker = as_role("worker")
    put(store, new(), new())
    first, second = claim(worker, worker=add_worker(worker))
    end(worker, first)
    act(worker, "cancel", second.id)

    assert (status(store, first.id), status(store, second.id)) == ("succeeded", "canceling")
    refused(worker, "drop table main.jobs")
    refused(worker, "create table main.mine (x integer)")
    refused(worker, "delete from main.schema_version")


def test_who_enqueues_adds_jobs_and_touches_no_others(as_role, store):
    caller = as_role("enqueue")
    parent = caller.enqueue(new()).row.id
    put(caller, new(unique="k"), new(unique="k", token="t"), new(after=[parent]), new(ops=["a", "b"]))
    caller.driver.notify(everywhere=True)

    assert found(caller) == found(store) == 4
    refused(caller, "update main.jobs set status = 9")
    refused(caller, "delete from main.jobs")
    refused(caller, "select * from main.log")
    refused(caller, "update main.queues set paused = 1")


def test_a_reader_reads(as_role, store):
    reader = as_role("read")
    put(store)

    assert found(reader) == 1
    assert check_invariants(reader, now=reader.now(), lost_after=30, max_crashes=3) == []
    refused(reader, "insert into main.jobs (id) values (1)")
    refused(reader, "update main.jobs set status = 9")


def test_the_owner_upgrades_and_drops(as_role, store):
    owner = as_role("owner")

    assert owner.upgrade() == []
    owner.uninstall()
    assert owner.upgrade() != []
