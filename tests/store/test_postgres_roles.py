"""What each role may do, and what it may not."""

from __future__ import annotations

import psycopg
import pytest
from tests import postgres
from tests.cli.support import Jobyard
from tests.store.acts import act, add_worker, claim, end, new, put, status

from jobyard.errors import StoreUnavailable
from jobyard.store import open_store
from jobyard.store.filters import JobFilter, find_jobs
from jobyard.store.invariants import check_invariants

ROLES = ["owner", "worker", "enqueue", "read"]
ALL = {"select", "insert", "update", "delete"}
RIGHTS = {
    "owner": lambda table: ALL | {"truncate"},
    "worker": lambda table: {"select"} if table == "schema_version" else ALL,
    "enqueue": lambda table: ENQUEUE.get(table, set()),
    "read": lambda table: {"select"},
}
ENQUEUE = {
    "schema_version": {"select"},
    "jobs": {"select", "insert", "update unique_key"},
    "ops": {"select", "insert"},
    "dependencies": {"select", "insert"},
    "tokens": {"select", "insert", "update job"},
    "queues": {"select"},
    "workers": {"select"},
    "builds": {"select job", "select definition"},
    "idle": ALL,
}
BEYOND = [
    "create schema {schema}_more",
    "create role {schema}_more",
    "create database {schema}_more",
    "drop database {database}",
    "drop schema {schema} cascade",
    "alter role {schema}_owner superuser",
    "grant {schema}_owner to {schema}_read",
    "select * from {other}.jobs",
    "insert into {other}.queues (name, paused, drained) values ('q', 1, 1)",
    "create table {other}.mine (x integer)",
    "drop table {other}.jobs",
    "copy (select 1) to '/tmp/{schema}'",
]
"""What no role may, not even the owner."""


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
    """The roles, by what the command prints, each with a user."""
    schema = store.driver.schema
    printed = Jobyard(url).done("db", "roles", "--print")
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        for _ in range(2):  # it may be run again
            connection.execute(printed)
        for role in ROLES:
            connection.execute(f"create role {schema}_{role}_user login in role {schema}_{role}")


@pytest.fixture
def url_of(granted, url, store):
    """The URL of the user with a role."""
    return lambda role: url.replace("postgres@", f"{store.driver.schema}_{role}_user@")


@pytest.fixture
def connect(url_of):
    """Opens a connection of the user with a role."""
    connections = []

    def connect(role):
        connections.append(psycopg.connect(url_of(role).partition("?")[0], autocommit=True))
        return connections[-1]

    yield connect
    for each in connections:
        each.close()


@pytest.fixture
def other():
    """The schema of another yard in the same database."""
    with postgres.schema(postgres.shared()) as url:
        store = open_store(url)
        store.upgrade()
        store.close()
        yield store.driver.schema


@pytest.fixture
def as_role(url_of, clock):
    stores = []

    def open_as(role):
        stores.append(open_store(url_of(role), clock=clock))
        return stores[-1]

    yield open_as
    for each in stores:
        each.close()


def refused(store, statement):
    with pytest.raises(StoreUnavailable, match="lacks a right"), store.transaction() as tx:
        tx.execute(statement)


def may(connection, statement):
    """Whether the role has the right to this; nothing is kept of it."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.errors.NotNullViolation:
        pass  # an empty row, which it had the right to add
    return True


def rights(connection, schema, table):
    """What the role may do with the rows of a table: each is tried."""
    name = f"{schema}.{table}"
    verbs = {
        "insert": f"insert into {name} default values",
        "delete": f"delete from {name}",
        "truncate": f"truncate {name}",
    }
    allowed = {verb for verb, statement in verbs.items() if may(connection, statement)}
    columns = connection.execute(
        "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0", [name]
    ).fetchall()
    for verb, statement in {
        "select": f'select "{{}}" from {name}',
        "update": f'update {name} set "{{}}" = null',
    }.items():
        some = {f"{verb} {column}" for (column,) in columns if may(connection, statement.format(column))}
        allowed |= {verb} if len(some) == len(columns) else some
    return allowed


def found(store, **filter):
    with store.read() as tx:
        return len(find_jobs(tx, JobFilter(**filter), store.now()))


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_to_each_table_what_it_needs_and_nothing_else(connect, store, role):
    with store.driver.read() as tx:
        tables = [name for (name,) in tx.fetch("select tablename from pg_tables where schemaname = 'main'")]
    connection = connect(role)

    allowed = {table: rights(connection, store.driver.schema, table) for table in tables}

    assert allowed == {table: RIGHTS[role](table) for table in tables}
    assert {*ENQUEUE} < {*tables}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_beyond_its_schema(connect, store, other, role):
    connection = connect(role)
    names = {"schema": store.driver.schema, "other": other, "database": connection.info.dbname}
    beyond = [statement.format(**names) for statement in BEYOND]
    if connection.info.server_version >= 150_000:  # before, everybody might make tables in public
        beyond.append("create table public.mine (x integer)")
    if role != "owner":
        beyond.append(f"create table {store.driver.schema}.mine (x integer)")
        beyond.append(f"drop table {store.driver.schema}.jobs")

    for statement in beyond:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


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
    assert found(caller, definition="d") == 0
    refused(caller, "update main.jobs set status = 9")
    refused(caller, "delete from main.jobs")
    refused(caller, "select * from main.log")
    refused(caller, "update main.queues set paused = 1")
    for table in ("events", "attempts", "requests", "progress", "workers"):
        refused(caller, f"insert into main.{table} default values")


def test_a_reader_reads(as_role, store):
    reader = as_role("read")
    put(store)

    assert found(reader) == 1
    assert check_invariants(reader, now=reader.now(), lost_after=30, max_crashes=3) == []
    refused(reader, "insert into main.jobs (id) values (1)")
    refused(reader, "update main.jobs set status = 9")
    refused(reader, "delete from main.jobs")
    refused(reader, "update main.queues set paused = 1")
    refused(reader, "create table main.mine (x integer)")


def test_the_owner_upgrades_and_drops(as_role, store):
    owner = as_role("owner")

    assert owner.upgrade() == []
    owner.uninstall()
    assert owner.upgrade() != []
