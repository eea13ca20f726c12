"""Jobs in a transaction of the caller's: they exist if and only if the caller commits."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing

import aiosqlite
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool
from tests.store.acts import act, claim, new, put, row, status

from jobyard.errors import UnknownJob, UsageError
from jobyard.store import open_store
from jobyard.store.foreign import async_transaction_on, transaction_on
from jobyard.store.plans import arun


@pytest.fixture
def bare_url(tmp_path):
    """On SQLite alone; connections to PostgreSQL have tests of their own."""
    return f"sqlite:///{tmp_path}/jobyard.db"


@pytest.fixture
def connection(store):
    store.check()
    with closing(sqlite3.connect(store.location)) as connection:
        yield connection


@pytest.fixture
def engine(store):
    store.check()
    engine = sqlalchemy.create_engine(f"sqlite:///{store.location}", poolclass=NullPool)
    yield engine
    engine.dispose()


def add(store, connection, *jobs):
    stored = store.jobs.insert(transaction_on(connection, store), jobs or [new()], store.now())
    return [each.row.id for each in stored]


async def aadd(store, connection, *jobs):
    transaction = await async_transaction_on(connection, store)
    stored = await arun(store.jobs.inserter.insert(jobs or [new()], store.now()), transaction)
    return [each.row.id for each in stored]


def exists(store, id):
    try:
        return row(store, id).id == id
    except UnknownJob:
        return False


def test_a_job_exists_once_the_caller_commits(store, connection):
    [id] = add(store, connection)
    assert not exists(store, id)

    connection.commit()

    assert exists(store, id)
    assert [row.id for row in claim(store)] == [id]


def test_no_job_exists_after_a_rollback(store, connection):
    [id] = add(store, connection, new(unique="k", token="k"))

    connection.rollback()

    assert not exists(store, id)
    [again] = put(store, new(unique="k", token="k"))
    assert exists(store, again)


def test_everything_an_insert_can_do_works_there(store, connection):
    [parent] = put(store)

    child, twin = add(store, connection, new(after=[parent], unique="k"), new(unique="k"))
    both, other = add(store, connection, new(ops=["t", "u"], after=[child]), new())
    connection.commit()

    assert (child, status(store, child)) == (twin, "waiting")
    assert [status(store, id) for id in (both, other)] == ["waiting", "queued"]


def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(store, connection):
    [kept] = add(store, connection)
    connection.execute("savepoint here")
    [dropped] = add(store, connection)
    connection.execute("rollback to here")
    connection.commit()

    assert (exists(store, kept), exists(store, dropped)) == (True, False)


def test_a_row_factory_of_the_caller_is_no_matter(store, connection):
    connection.row_factory = lambda cursor, row: dict(enumerate(row))

    [id] = add(store, connection, new(unique="k"))
    connection.commit()

    assert exists(store, id)
    assert connection.execute("select 1").fetchone() == {0: 1}


def test_an_op_can_be_ended_with_the_work_of_the_task(store, connection):
    put(store)
    [claimed] = claim(store)

    tx = transaction_on(connection, store)
    assert store.jobs.hold(tx, claimed.id, claimed.epoch) == 0
    connection.commit()


def test_a_connection_that_commits_each_statement_must_have_begun(store, connection):
    connection.isolation_level = None

    with pytest.raises(UsageError, match="BEGIN"):
        transaction_on(connection, store)

    connection.execute("begin")
    [id] = add(store, connection)
    connection.execute("rollback")
    assert not exists(store, id)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sqlite3 has this attribute since Python 3.12")
@pytest.mark.parametrize("autocommit", [True, False])
def test_the_newer_autocommit_attribute_is_understood(store, autocommit):
    store.check()
    with closing(sqlite3.connect(store.location, autocommit=autocommit)) as connection:
        if autocommit:
            with pytest.raises(UsageError, match="BEGIN"):
                transaction_on(connection, store)
        else:
            [id] = add(store, connection)
            connection.commit()
            assert exists(store, id)


@pytest.mark.parametrize("other", [":memory:", "other.db"])
def test_another_database_is_refused(store, tmp_path, monkeypatch, other):
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect(other)) as connection, pytest.raises(UsageError, match="but the jobs are in"):
        transaction_on(connection, store)


@pytest.mark.parametrize("thing", [object(), "sqlite:///x.db", None])
def test_what_is_no_connection_is_refused_by_the_name_of_its_class(store, thing):
    with pytest.raises(UsageError, match=f"given an object of builtins.{type(thing).__name__}; it takes"):
        transaction_on(thing, store)


def test_a_subclass_of_a_connection_will_do(store):
    class Own(sqlite3.Connection):
        pass

    store.check()
    with closing(sqlite3.connect(store.location, factory=Own)) as connection:
        [id] = add(store, connection)
        connection.commit()

    assert exists(store, id)


def test_the_store_is_installed_by_the_first_use(url, tmp_path):
    fresh = open_store(url.replace("jobyard.db", "fresh.db"))
    with closing(sqlite3.connect(tmp_path / "fresh.db")) as connection:
        [id] = add(fresh, connection)
        connection.commit()

    assert exists(fresh, id)
    fresh.close()


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("face", ["connection", "session", "scoped"])
def test_sqlalchemy_decides_with_its_own_transaction(store, engine, face, end):
    faces = {
        "connection": engine.connect,
        "session": lambda: Session(engine),
        "scoped": scoped_session(sessionmaker(engine)),
    }
    opened = faces[face]()
    [id] = add(store, opened)
    assert not exists(store, id)
    getattr(opened, end)()
    opened.close()

    assert exists(store, id) is (end == "commit")


def test_sqlalchemy_may_have_begun_and_worked_before(store, engine):
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table mine (x)"))
        [id] = add(store, connection)
        nested = connection.begin_nested()
        [dropped] = add(store, connection)
        nested.rollback()

    assert (exists(store, id), exists(store, dropped)) == (True, False)


def test_sqlalchemy_in_autocommit_is_refused(store, engine):
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with connection, pytest.raises(UsageError, match="BEGIN"):
        transaction_on(connection, store)


def test_an_asynchronous_connection_needs_the_asynchronous_call(store):
    store.check()

    async def main():
        async with aiosqlite.connect(store.location) as connection:
            with pytest.raises(UsageError, match=r"aiosqlite\.core\.Connection.*aenqueue"):
                transaction_on(connection, store)

    asyncio.run(main())


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("face", ["aiosqlite", "connection", "session", "sqlite3"])
def test_asynchronous_connections_decide_alike(store, face, end):
    store.check()

    async def main():
        engine = create_async_engine(f"sqlite+aiosqlite:///{store.location}", poolclass=NullPool)
        faces = {
            "aiosqlite": lambda: aiosqlite.connect(store.location),
            "connection": engine.connect,
            "session": lambda: AsyncSession(engine),
        }
        async with faces[face]() as connection:
            ids = await aadd(store, connection, new(), new(unique="k", after=[-1]))
            assert not exists(store, ids[0])
            await getattr(connection, end)()
        await engine.dispose()
        return ids

    async def main_on_a_synchronous_one():
        with closing(sqlite3.connect(store.location)) as connection:
            ids = await aadd(store, connection)
            getattr(connection, end)()
        return ids

    ids = asyncio.run(main_on_a_synchronous_one() if face == "sqlite3" else main())

    assert [exists(store, id) for id in ids] == [end == "commit"] * len(ids)


def test_a_job_made_there_can_be_acted_on(store, connection):
    [id] = add(store, connection)
    connection.commit()

    act(store, "suspend", id)

    assert status(store, id) == "suspended"
