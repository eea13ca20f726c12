"""Jobs in the caller's own transaction: they exist if and only if the caller commits."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import aiosqlite
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from jobyard import QueueClosed, UsageError, ctx, retval
from jobyard.testing import run_now

STYLES = ["named", "qmark", "format", "pyformat", "numeric", "numeric_dollar"]


@pytest.fixture
def bare_url(tmp_path):
    """On SQLite alone; connections to PostgreSQL have tests of their own."""
    return f"sqlite:///{tmp_path}/jobyard.db"


@pytest.fixture
def path(yard, tasks):
    """The file, with a table of the caller's."""
    yard.install()
    with closing(sqlite3.connect(yard.store.location)) as connection:
        connection.execute("create table pictures (name text)")
    return yard.store.location


@pytest.fixture
def engine(path):
    engine = sa.create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def pictures(path):
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("select name from pictures")]


@pytest.mark.parametrize("commit", [True, False])
def test_sqlite3(yard, tasks, path, commit):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("insert into pictures values ('cat')")
        job = tasks.echo.using(connection=connection).enqueue("cat")
        assert yard.count(by=()) == 0
        connection.commit() if commit else connection.rollback()

    assert (yard.jobs(), pictures(path)) == (([job], ["cat"]) if commit else ([], []))
    assert run_now(yard).succeeded == commit


@pytest.mark.parametrize("commit", [True, False])
def test_everything_a_job_may_say_is_written_on_that_connection(yard, tasks, path, commit):
    parent = tasks.add.enqueue(1)
    with closing(sqlite3.connect(path)) as connection:
        jobs = [
            tasks.echo.using(connection=connection, unique="key", token="token").enqueue(1),
            tasks.echo.using(connection=connection, unique="key").enqueue(2),
            tasks.echo.using(connection=connection, after=[parent]).enqueue(),
            yard.enqueue(tasks.add.op(parent), tasks.add.op(retval(op=0)), connection=connection),
            *yard.enqueue_many([tasks.add.new(1), tasks.echo.new(retval(-1))], connection=connection),
        ]
        connection.commit() if commit else connection.rollback()

    assert jobs[1].existing
    assert yard.count(by=()) == (6 if commit else 1)
    assert tasks.echo.using(unique="key").enqueue().existing is commit
    run_now(yard)
    if commit:
        assert (jobs[3].wait(0).result, jobs[5].wait(0).result) == (4, 2)


@pytest.mark.parametrize("commit", [True, False])
def test_sqlalchemy(yard, tasks, path, engine, commit):
    with engine.connect() as connection:
        connection.execute(sa.text("insert into pictures values ('cat')"))
        tasks.echo.using(connection=connection).enqueue()
        connection.commit() if commit else connection.rollback()
    with Session(engine) as session:
        session.execute(sa.text("insert into pictures values ('dog')"))
        tasks.echo.using(connection=session).enqueue()
        session.commit() if commit else session.rollback()

    assert (yard.count(by=()), pictures(path)) == ((2, ["cat", "dog"]) if commit else (0, []))


@pytest.mark.parametrize("commit", [True, False])
def test_asynchronous_ones_are_awaited(yard, tasks, path, commit):
    async def enqueue():
        async with aiosqlite.connect(path) as connection:
            await connection.execute("insert into pictures values ('cat')")
            await tasks.echo.using(connection=connection).aenqueue()
            await (connection.commit() if commit else connection.rollback())
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
        async with AsyncSession(engine) as session:
            await tasks.echo.using(connection=session).aenqueue()
            await (session.commit() if commit else session.rollback())
        await engine.dispose()

    asyncio.run(enqueue())

    assert yard.count(by=()) == (2 if commit else 0)


def test_an_asynchronous_one_needs_aenqueue(yard, tasks, path):
    async def enqueue():
        async with aiosqlite.connect(path) as connection:
            tasks.echo.using(connection=connection).enqueue()

    with pytest.raises(UsageError, match="aenqueue"):
        asyncio.run(enqueue())


def test_another_database_is_refused(tasks, tmp_path):
    with (
        closing(sqlite3.connect(tmp_path / "another.db")) as connection,
        pytest.raises(UsageError, match=r"another\.db"),
    ):
        tasks.echo.using(connection=connection).enqueue()


def test_a_transaction_that_is_ahead_of_the_tables_is_told_so_at_once(yard, tasks):
    """Making them would wait for the caller's own transaction."""
    with closing(sqlite3.connect(yard.store.location)) as connection:
        connection.execute("create table pictures (name text)")
        connection.execute("insert into pictures values ('cat')")

        with pytest.raises(UsageError, match=r"yard\.install\(\)"):
            tasks.echo.using(connection=connection).enqueue()


def test_a_connection_that_has_begun_nothing_may_be_the_first_use(yard, tasks):
    with closing(sqlite3.connect(yard.store.location)) as connection:
        job = tasks.echo.using(connection=connection).enqueue()
        connection.commit()

    assert yard.jobs() == [job]


def test_what_is_no_connection_is_refused_by_its_class(tasks):
    with pytest.raises(UsageError, match=r"builtins\.object"):
        tasks.echo.using(connection=object()).enqueue()


def test_a_refused_job_leaves_the_transaction_to_the_caller(yard, tasks, path):
    yard.queues.drain("default")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("insert into pictures values ('cat')")
        with pytest.raises(QueueClosed):
            tasks.echo.using(connection=connection).enqueue()
        connection.commit()

    assert (pictures(path), yard.count(by=())) == (["cat"], 0)


@pytest.mark.parametrize("how", ["finish", "enqueue"])
@pytest.mark.parametrize("commit", [True, False])
def test_a_task_writes_in_a_transaction_of_its_own(yard, tasks, path, how, commit):
    @yard.task(name="import")
    def import_picture(name):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("insert into pictures values (?)", [name])
            if how == "finish":
                ctx.finish("finished", connection=connection)
            else:
                ctx.enqueue(tasks.echo.op(name), connection=connection)
            connection.commit() if commit else connection.rollback()
        return "returned"

    job = import_picture.enqueue("cat")
    run_now(yard)

    assert pictures(path) == (["cat"] if commit else [])
    expected = "finished" if how == "finish" and commit else "returned"
    assert (job.wait(0).result, job.status) == (expected, "succeeded")
    assert yard.count(by=()) == (2 if how == "enqueue" and commit else 1)


def executed(path, style, sql, params):
    """Run the statement as a driver of this style would."""
    if style in ("format", "pyformat"):
        sql = sql % (("?",) * len(params) if style == "format" else {name: f":{name}" for name in params})
    elif style == "numeric_dollar":
        sql = sql.replace("$", "?")
    elif style == "numeric":
        sql = sql.replace(":", "?")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(sql, params).rowcount
        connection.commit()
    return rows


@pytest.mark.parametrize("style", STYLES)
def test_one_statement_stores_a_simple_job_in_every_style(yard, tasks, path, style):
    new = tasks.add.using(priority=-3, title="100 % :x $1 ?", requester="bob", tags=["t"]).new(1, b=2)

    assert executed(path, style, *yard.insert_statement(new, style)) == 1

    [job] = yard.jobs()
    assert (job.status, job.priority, job.title, job.requester) == ("queued", -3, "100 % :x $1 ?", "bob")
    run_now(yard)
    assert job.wait(0).result == 3


def test_such_a_job_has_what_its_queue_says(yard, tasks, path):
    yard.queue("default", priority=5, aging=60)

    executed(path, "named", *yard.insert_statement(tasks.echo.new()))
    stored = tasks.echo.enqueue()

    [job] = [job for job in yard.jobs() if job != stored]
    assert job.priority == stored.priority == 5


def test_a_due_time_goes_along(yard, tasks, path, clock):
    at = clock.now() + timedelta(days=3650)

    executed(path, "named", *yard.insert_statement(tasks.echo.using(due=at).new()))
    executed(path, "named", *yard.insert_statement(tasks.echo.using(due=timedelta(days=3650)).new()))

    assert [job.status for job in yard.jobs()] == ["scheduled"] * 2
    assert at in [job.due for job in yard.jobs()]


def test_a_drained_queue_takes_none(yard, tasks, path):
    yard.queues.drain("default")

    assert executed(path, "named", *yard.insert_statement(tasks.echo.new())) == 0
    assert yard.count(by=()) == 0


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"after": [1]}, "dependencies"),
        ({"unique": True}, "unique="),
        ({"token": "t"}, "token="),
        ({"expires": 5}, "expires="),
    ],
)
def test_other_jobs_take_more_than_one_statement(yard, tasks, options, named):
    with pytest.raises(UsageError, match=named):
        yard.insert_statement(tasks.echo.using(**options).new())


def test_nor_several_ops_or_references_or_a_style_that_does_not_exist(yard, tasks):
    with pytest.raises(UsageError, match="several ops"):
        yard.insert_statement(yard.new(tasks.echo.op(), tasks.echo.op()))
    with pytest.raises(UsageError):
        yard.insert_statement(tasks.echo.new(retval(1)))
    with pytest.raises(UsageError, match="dollars"):
        yard.insert_statement(tasks.echo.new(), paramstyle="dollars")
