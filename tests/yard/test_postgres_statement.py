"""The one statement that stores a job, on PostgreSQL, by drivers of every parameter style."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from datetime import timedelta
from unittest import mock

import asyncpg
import pg8000.dbapi
import psycopg
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from tests import postgres
from tests.support import eventually

from jobyard import Yard
from jobyard.testing import run_now


@pytest.fixture
def bare_url():
    """On PostgreSQL alone; SQLite's one driver has tests of its own."""
    with postgres.schema(postgres.shared()) as url:
        yield url


@pytest.fixture
def server(url):
    """The URL of the server, as other libraries take it."""
    return url.partition("?")[0]


def on_psycopg(server, sql, params, *, commit, cursor=psycopg.Cursor):
    with psycopg.connect(server) as connection:
        stored = cursor(connection).execute(sql, params).rowcount
        connection.commit() if commit else connection.rollback()
    return stored


def on_psycopg_raw(server, sql, params, *, commit):
    return on_psycopg(server, sql, params, commit=commit, cursor=psycopg.RawCursor)


def on_psycopg_async(server, sql, params, *, commit, cursor=psycopg.AsyncCursor):
    async def main():
        async with await psycopg.AsyncConnection.connect(server) as connection:
            stored = (await cursor(connection).execute(sql, params)).rowcount
            await (connection.commit() if commit else connection.rollback())
        return stored

    return asyncio.run(main())


def on_psycopg_async_raw(server, sql, params, *, commit):
    return on_psycopg_async(server, sql, params, commit=commit, cursor=psycopg.AsyncRawCursor)


def on_asyncpg(server, sql, params, *, commit):
    async def main():
        connection = await asyncpg.connect(server)
        transaction = connection.transaction()
        await transaction.start()
        status = await connection.execute(sql, *params)
        await (transaction.commit() if commit else transaction.rollback())
        await connection.close()
        return int(status.rpartition(" ")[2])

    return asyncio.run(main())


def on_pg8000(style):
    def execute(server, sql, params, *, commit):
        given = conninfo_to_dict(server)
        database = given.pop("dbname")
        with closing(pg8000.dbapi.connect(database=database, **given)) as connection:
            cursor = connection.cursor()
            with mock.patch.object(pg8000.dbapi, "paramstyle", style):  # which is how its users set it
                cursor.execute(sql, params)
            connection.commit() if commit else connection.rollback()
            return cursor.rowcount

    return execute


def on_sqlalchemy(face):
    def execute(server, sql, params, *, commit):
        engine = sqlalchemy.create_engine(sqlalchemy_url(server, "psycopg"), poolclass=NullPool)
        with face(engine) as connection:
            stored = connection.execute(sqlalchemy.text(sql), params).rowcount
            connection.commit() if commit else connection.rollback()
        return stored

    return execute


def on_sqlalchemy_async(driver, face):
    def execute(server, sql, params, *, commit):
        async def main():
            engine = create_async_engine(sqlalchemy_url(server, driver), poolclass=NullPool)
            async with face(engine) as connection:
                stored = (await connection.execute(sqlalchemy.text(sql), params)).rowcount
                await (connection.commit() if commit else connection.rollback())
            return stored

        return asyncio.run(main())

    return execute


def sqlalchemy_url(server, driver):
    return server.replace("postgresql://", f"postgresql+{driver}://")


DRIVERS = [
    pytest.param("format", on_psycopg, id="psycopg-format"),
    pytest.param("pyformat", on_psycopg, id="psycopg-pyformat"),
    pytest.param("numeric_dollar", on_psycopg_raw, id="psycopg-numeric_dollar"),
    pytest.param("format", on_psycopg_async, id="psycopg-async-format"),
    pytest.param("pyformat", on_psycopg_async, id="psycopg-async-pyformat"),
    pytest.param("numeric_dollar", on_psycopg_async_raw, id="psycopg-async-numeric_dollar"),
    pytest.param("numeric_dollar", on_asyncpg, id="asyncpg-numeric_dollar"),
    pytest.param("named", on_sqlalchemy(sqlalchemy.Engine.connect), id="sqlalchemy-named"),
    pytest.param("named", on_sqlalchemy(Session), id="sqlalchemy-session-named"),
    pytest.param("named", on_sqlalchemy_async("psycopg", AsyncSession), id="sqlalchemy-async-psycopg-named"),
    pytest.param("named", on_sqlalchemy_async("asyncpg", AsyncSession), id="sqlalchemy-async-asyncpg-named"),
    *[
        pytest.param(style, on_pg8000(style), id=f"pg8000-{style}")
        for style in ("named", "qmark", "format", "pyformat", "numeric")
    ],
]
FEW = [DRIVERS[0], DRIVERS[6], DRIVERS[7], DRIVERS[-1]]
"""One of each kind of driver."""


@pytest.mark.parametrize(("style", "execute"), DRIVERS)
def test_every_style_is_understood_by_drivers_of_it(yard, tasks, clock, server, style, execute):
    at = clock.now() + timedelta(days=3650)
    new = tasks.add.using(priority=-3, title="100 % :x $1 ?", requester="bob", tags=["t"]).new(1, b=2)
    later = tasks.echo.using(due=at).new()
    delayed = tasks.echo.using(due=timedelta(days=3650)).new({"all": [None, "é"]})

    stored = [execute(server, *yard.insert_statement(each, style), commit=True) for each in (new, later, delayed)]

    assert stored == [1, 1, 1]
    third, second, first = yard.jobs()
    assert (first.status, first.priority, first.title, first.requester) == ("queued", -3, "100 % :x $1 ?", "bob")
    assert (second.status, second.due) == ("scheduled", at)
    assert (third.status, third.ops[0].args) == ("scheduled", ({"all": [None, "é"]},))
    run_now(yard)
    assert first.wait(0).result == 3


@pytest.mark.parametrize(("style", "execute"), FEW)
def test_a_rollback_takes_it_back(yard, tasks, server, style, execute):
    assert execute(server, *yard.insert_statement(tasks.echo.new(), style), commit=False) == 1

    assert yard.count(()) == 0


@pytest.mark.parametrize(("style", "execute"), FEW)
def test_a_drained_queue_takes_none(yard, tasks, server, style, execute):
    yard.queues.drain("default")

    assert execute(server, *yard.insert_statement(tasks.echo.new(), style), commit=True) == 0
    assert yard.count(()) == 0


@pytest.mark.parametrize(("style", "execute"), FEW)
def test_its_commit_wakes_a_worker_that_sleeps(url, server, style, execute):
    with Yard(url, poll=600) as yard:
        ran = threading.Event()
        task = yard.task(name="run")(ran.set)
        worker = yard.worker()
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        eventually(lambda: yard.store.driver._run("select 1 from main.idle", {}))

        execute(server, *yard.insert_statement(task.new(), style), commit=True)

        assert ran.wait(10)
        worker.stop()
        thread.join()


def test_where_nobody_listens_it_notifies_nobody(url, server):
    with Yard(f"{url}&notify=off") as yard:
        yard.task(name="run")(print)
        sql, params = yard.insert_statement(yard.tasks.get("run").new(), "format")

        assert on_psycopg(server, sql, params, commit=True) == 1
        assert "notify" not in sql
