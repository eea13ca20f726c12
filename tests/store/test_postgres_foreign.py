"""Jobs in a transaction of the caller's on PostgreSQL, on each kind of connection that is known."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from tests import postgres
from tests.store.acts import claim, end, new, put, row, status, statuses
from tests.support import eventually

from jobyard.errors import StoreError, UnknownJob, UsageError
from jobyard.store import open_store
from jobyard.store.driver import Heed
from jobyard.store.foreign import async_transaction_on, insert_plan, transaction_on
from jobyard.store.plans import arun, run


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield url


@pytest.fixture
def server(url):
    """The URL of the server, as other libraries take it."""
    return url.partition("?")[0]


def exists(store, id):
    try:
        return row(store, id).id == id
    except UnknownJob:
        return False


def add(store, connection, *jobs):
    stored = run(insert_plan(store, jobs or [new()]), transaction_on(connection, store))
    return [each.row.id for each in stored]


async def aadd(store, connection, *jobs):
    stored = await arun(insert_plan(store, jobs or [new()]), await async_transaction_on(connection, store))
    return [each.row.id for each in stored]


@pytest.mark.parametrize("commit", [True, False])
def test_psycopg(store, server, commit):
    with psycopg.connect(server, row_factory=dict_row) as connection:
        [id] = add(store, connection)
        assert not exists(store, id)
        connection.commit() if commit else connection.rollback()

    assert exists(store, id) is commit


def test_everything_an_insert_can_do_works_there(store, server):
    [parent] = put(store)
    with psycopg.connect(server) as connection:
        first, again, *others = add(
            store,
            connection,
            new(unique="k", token="t"),
            new(unique="k"),
            new(after=[parent]),
            new(ops=["a", "b"], after=[-1], requester="ann"),
            new(delay=60_000_000),
        )

    assert first == again
    assert statuses(store, [first, *others]) == ["queued", "waiting", "waiting", "scheduled"]


def test_a_savepoint_that_is_rolled_back_takes_its_jobs_along(store, server):
    with psycopg.connect(server) as connection:
        with connection.transaction(force_rollback=True):
            [gone] = add(store, connection)
        [kept] = add(store, connection)

    assert (exists(store, gone), exists(store, kept)) == (False, True)


def test_a_connection_that_commits_each_statement_must_have_begun(store, server):
    with psycopg.connect(server, autocommit=True) as connection:
        with pytest.raises(UsageError, match="begin one first"):
            add(store, connection)
        with connection.transaction():
            [id] = add(store, connection)

    assert exists(store, id)


def test_a_connection_to_another_database_is_refused(store, server):
    with psycopg.connect(server.rpartition("/")[0] + "/template1") as connection, pytest.raises(UsageError) as refused:
        add(store, connection)

    assert "template1" in str(refused.value)
    assert store.location in str(refused.value)


def test_a_search_path_of_the_caller_stays_and_is_no_matter(store, server):
    with psycopg.connect(server) as connection:
        connection.execute("set search_path to pg_catalog")
        [id] = add(store, connection)
        assert connection.execute("show search_path").fetchone() == ("pg_catalog",)

    assert exists(store, id)


def test_parents_are_not_held_up(store, server):
    [parent] = put(store)
    [claimed] = claim(store)

    with psycopg.connect(server) as connection:
        [child] = add(store, connection, new(after=[parent]))
        end(store, claimed)

    assert status(store, child) == "waiting"
    with store.transaction() as tx:
        store.jobs.release(tx, store.jobs.strays(tx), store.now())
    assert status(store, child) == "queued"


def test_the_commit_wakes_who_sleeps(store, server):
    heard = []
    forget = store.driver.listen(lambda: heard.append(True))
    eventually(lambda: heard and store.driver.rest(Heed.JOBS))
    heard.clear()

    with psycopg.connect(server) as connection:
        add(store, connection)
        assert heard == []

    eventually(lambda: heard)
    forget()


@pytest.fixture
def second(url):
    """A store beside the other, in the same database."""
    with postgres.schema(url.partition("?")[0]) as theirs:
        store = open_store(theirs)
        store.upgrade()
        yield store
        store.close()


def test_one_transaction_has_jobs_of_two_schemas(store, second, server):
    with psycopg.connect(server) as connection:
        [first], [other], [last] = (add(each, connection) for each in (store, second, store))

    assert statuses(store, [first, last]) == ["queued"] * 2
    assert statuses(second, [other]) == ["queued"]


def test_an_asynchronous_transaction_has_jobs_of_two_schemas(store, second, server):
    async def main():
        async with await psycopg.AsyncConnection.connect(server) as connection:
            return [(await aadd(each, connection))[0] for each in (store, second, store)]

    first, other, last = asyncio.run(main())

    assert statuses(store, [first, last]) == ["queued"] * 2
    assert statuses(second, [other]) == ["queued"]


def test_a_connection_outlives_the_tables(url, store, server):
    with psycopg.connect(server) as connection:
        add(store, connection)
        connection.commit()
        store.uninstall()
        with closing(open_store(url)) as again:
            again.upgrade()

            [id] = add(again, connection)
            connection.commit()

            assert exists(again, id)


@pytest.mark.parametrize("commit", [True, False])
def test_a_pipeline_of_psycopg(store, server, commit):
    with psycopg.connect(server) as connection:
        with connection.pipeline():
            connection.execute("select 1")
            ids = add(store, connection, new(unique="k", token="t"), new(ops=["a", "b"]))
        connection.commit() if commit else connection.rollback()

    assert [exists(store, id) for id in ids] == [commit] * 2


def test_an_asynchronous_pipeline_of_psycopg(store, server):
    async def main():
        async with await psycopg.AsyncConnection.connect(server) as connection, connection.pipeline():
            await connection.execute("select 1")
            return await aadd(store, connection, new(unique="k", token="t"), new(ops=["a", "b"]))

    assert [exists(store, id) for id in asyncio.run(main())] == [True] * 2


def test_a_pipeline_that_commits_each_statement_must_have_begun(store, server):
    with psycopg.connect(server, autocommit=True) as connection, connection.pipeline():
        connection.execute("select 1")
        with pytest.raises(UsageError, match="begin one first"):
            add(store, connection)
        with connection.transaction():
            [id] = add(store, connection)

    assert exists(store, id)


def test_what_a_pipeline_was_refused_before_is_told(store, server):
    with psycopg.connect(server) as connection, connection.pipeline():
        connection.execute("select from nothing_of_that_name")
        with pytest.raises(StoreError, match="nothing_of_that_name"):
            add(store, connection)


def test_a_transaction_that_has_failed_is_no_server_away(store, server):
    with psycopg.connect(server) as connection:
        with pytest.raises(psycopg.DataError):
            connection.execute("select 1 / 0")
        with pytest.raises(StoreError, match="transaction is aborted") as refused:
            add(store, connection)

    assert type(refused.value) is StoreError


def sqlalchemy_url(server, driver):
    return server.replace("postgresql://", f"postgresql+{driver}://")


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", ["connection", "session"])
def test_sqlalchemy(store, server, kind, commit):
    engine = sqlalchemy.create_engine(sqlalchemy_url(server, "psycopg"), poolclass=NullPool)
    with engine.connect() if kind == "connection" else Session(engine) as connection:
        [id] = add(store, connection)
        connection.commit() if commit else connection.rollback()

    assert exists(store, id) is commit


@asynccontextmanager
async def opened(kind, server):
    """An asynchronous connection in a transaction, with its commit and rollback."""
    if kind == "psycopg":
        async with await psycopg.AsyncConnection.connect(server) as connection:
            yield connection, connection.commit, connection.rollback
    elif kind == "asyncpg":
        connection = await asyncpg.connect(server)
        try:
            transaction = connection.transaction()
            await transaction.start()
            yield connection, transaction.commit, transaction.rollback
        finally:
            await connection.close()
    else:
        driver, _, face = kind.partition(" ")
        engine = create_async_engine(sqlalchemy_url(server, driver), poolclass=NullPool)
        async with FACES[face](engine) as connection:
            yield connection, connection.commit, connection.rollback


@asynccontextmanager
async def scoped(engine):
    session = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    yield session
    await session.remove()


FACES = {"connection": AsyncEngine.connect, "session": AsyncSession, "scoped": scoped}
KINDS = ["psycopg", "asyncpg", *(f"{driver} {face}" for driver in ("psycopg", "asyncpg") for face in FACES)]


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_asynchronous_connections(store, server, kind, commit):
    [parent] = put(store)

    async def main():
        async with opened(kind, server) as (connection, on, off):
            ids = await aadd(store, connection, new(unique="k", token="t"), new(ops=["a", "b"], after=[parent]))
            assert not exists(store, ids[0])
            await (on() if commit else off())
        return ids

    ids = asyncio.run(main())

    assert [exists(store, id) for id in ids] == [commit, commit]


def test_asyncpg_without_a_transaction_is_refused(store, server):
    async def main():
        connection = await asyncpg.connect(server)
        try:
            await aadd(store, connection)
        finally:
            await connection.close()

    with pytest.raises(UsageError, match="begin one first"):
        asyncio.run(main())


def test_a_connection_to_postgresql_is_refused_where_jobs_are_in_sqlite(server, tmp_path):
    store = open_store(f"sqlite:///{tmp_path}/x.db")
    with psycopg.connect(server) as connection, pytest.raises(UsageError, match=r"is on PostgreSQL, but .* SQLite"):
        add(store, connection)
    store.close()
