"""`jobyard db upgrade` as a program that is killed half-way, and twice at once."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest
from tests import postgres
from tests.store.acts import claim, end, put, statuses
from tests.support import eventually

from jobyard.store import migrate
from jobyard.store.invariants import check_invariants

_PAUSE = """
create or replace function pause() returns event_trigger language plpgsql as $$
declare done integer := coalesce(nullif(current_setting('test.done', true), ''), '0')::integer + 1;
begin
    perform set_config('test.done', done::text, true);
    if done = 4 then perform pg_advisory_xact_lock_shared(1); end if;
end $$;
create event trigger pause on ddl_command_end execute function pause();
"""
"""The fourth change that a transaction makes to tables has to wait for a lock."""


@pytest.fixture(scope="module")
def server():
    server = postgres.Server()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(_PAUSE)
    yield server
    server.remove()


@pytest.fixture
def bare_url(server):
    with postgres.schema(server.url) as url:
        yield url


@pytest.fixture
def operator(server):
    """A connection that holds upgrades up, until it unlocks, and sees who waits."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(1)")
        yield connection


@pytest.fixture
def upgrade(bare_url):
    """Starts the command."""
    started = []

    def start():
        command = [sys.executable, "-m", "jobyard", "--url", bare_url, "db", "upgrade"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(operator, count):
    """Until so many upgrades wait for a lock."""
    sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    eventually(lambda: operator.execute(sql).fetchone()[0] == count, timeout=20)


def let_go(operator):
    operator.execute("select pg_advisory_unlock(1)")


def tables(store):
    with store.driver.read() as tx:
        return sorted(name for (name,) in tx.fetch("select tablename from pg_tables where schemaname = 'main'"))


def install_the_first_version(store, operator):
    first, _, _ = migrate.pending_sql(store.driver).partition("-- migration 0002")
    let_go(operator)
    operator.execute(first)
    operator.execute("select pg_advisory_lock(1)")


def check_it_works(store):
    assert migrate.status(store.driver).up_to_date
    ids = put(store)
    end(store, *claim(store))
    assert statuses(store, ids) == ["succeeded"]
    assert check_invariants(store, now=store.now(), lost_after=30) == []


@pytest.mark.parametrize("version", [0, 1])
def test_an_upgrade_that_is_killed_leaves_the_old_tables(bare_store, operator, upgrade, version):
    if version:
        install_the_first_version(bare_store, operator)
    before = tables(bare_store)
    killed = upgrade()
    wait_for(operator, 1)
    killed.kill()
    killed.wait()
    second = upgrade()
    wait_for(operator, 2)
    assert (tables(bare_store), migrate.status(bare_store.driver).current) == (before, version)

    let_go(operator)

    assert second.wait(30) == 0, second.communicate()
    check_it_works(bare_store)


def test_of_two_upgrades_at_once_one_waits(bare_store, operator, upgrade):
    both = [upgrade(), upgrade()]
    wait_for(operator, 2)
    assert [process.poll() for process in both] == [None, None]

    let_go(operator)

    said = sorted(process.communicate(timeout=30)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert ("applied" in said[0], "nothing to do" in said[1]) == (True, True), said
    check_it_works(bare_store)
