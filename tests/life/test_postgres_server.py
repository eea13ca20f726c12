"""A PostgreSQL server that goes away under load, and workers that go on when it is back."""

from __future__ import annotations

import itertools
import random
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from tests import postgres
from tests.life.processes import Site
from tests.support import eventually

from jobyard.errors import StoreBusy, StoreError, StoreUnavailable


@pytest.fixture
def bare_url(server):
    with postgres.schema(server.url) as url:
        yield url


class Load:
    """Jobs that are enqueued one after another until it is stopped."""

    def __init__(self, site: Site) -> None:
        self.accepted: list[int] = []
        """The numbers of those of which `enqueue` said that they are stored."""
        self._site = site
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        for n in itertools.count():
            if self._stopping.is_set():
                return
            try:
                self._site.tasks["note"].enqueue(n)
                self.accepted.append(n)
            except StoreError:
                self._stopping.wait(0.01)  # it says that it is not stored, or may not be


@pytest.fixture
def crowd(site):
    """Two workers."""
    return [site.worker() for _ in range(2)]


@pytest.fixture
def load(site, crowd):
    """Jobs for them, of which some have run."""
    load = Load(site)
    eventually(lambda: len(site.lines("runs")) > 100)
    yield load
    load.stop()


def all_done(site):
    try:
        return site.yard.count("status").get(("succeeded",), 0) == site.yard.count(())
    except StoreError:
        return False


def runs(site):
    return {int(line) for line in site.lines("runs")}


def check_goes_again(site, load, crowd):
    """Within 10 s: what is enqueued from now on runs, and each worker is heard of."""
    began, now = time.monotonic(), site.yard.store.now()
    accepted = len(load.accepted)
    new = eventually(lambda: load.accepted[accepted:])[0]
    eventually(lambda: new in runs(site))
    eventually(lambda: {w.pid for w in site.workers() if w.heartbeat > now} == {process.pid for process in crowd})

    assert time.monotonic() - began < 10


def check_nothing_is_lost(site, load, crowd):
    load.stop()
    eventually(lambda: all_done(site), timeout=30)
    assert runs(site) >= set(load.accepted)
    assert [process.is_alive for process in crowd] == [True, True]
    site.check()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_loses_nothing_and_ends_nobody(site, server, load, crowd, mode):
    server.restart(mode)

    check_goes_again(site, load, crowd)
    check_nothing_is_lost(site, load, crowd)


def terminate_at_random(url, seconds):
    """Have the server end a connection of jobyard's five times a second; return how many it ended."""
    chance, ended = random.Random(1), 0
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        began = time.monotonic()
        for due in range(1, 5 * seconds + 1):
            time.sleep(max(0, began + due / 5 - time.monotonic()))
            found = connection.execute("select pid from pg_stat_activity where application_name = 'jobyard'")
            if pids := [pid for (pid,) in found]:
                kill = connection.execute("select pg_terminate_backend(%s, 1000)", [chance.choice(pids)])
                ended += kill.fetchone()[0]
    return ended


@pytest.mark.parametrize("seconds", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_connections_that_are_ended_at_random_lose_nothing(site, url, load, crowd, seconds):
    began = time.monotonic()

    ended = terminate_at_random(url, seconds)

    assert ended >= 4.5 * (time.monotonic() - began)
    check_goes_again(site, load, crowd)
    check_nothing_is_lost(site, load, crowd)


@contextmanager
def read_only(server):
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("alter system set default_transaction_read_only = on")
        connection.execute("select pg_reload_conf()")
        yield
        connection.execute("alter system reset default_transaction_read_only")
        connection.execute("select pg_reload_conf()")


@contextmanager
def standing_by(server):
    server.stand_by()
    yield
    server.promote()


@pytest.mark.parametrize("closed", [read_only, standing_by])
def test_a_server_that_takes_no_writes_for_a_while_ends_nobody(site, server, load, crowd, closed):
    with closed(server):
        eventually(lambda: "the server takes no writes" in site.log)
        with pytest.raises(StoreUnavailable, match="the server takes no writes"):
            site.tasks["note"].enqueue(-1)

    check_goes_again(site, load, crowd)
    check_nothing_is_lost(site, load, crowd)


@pytest.fixture
def anns_url(server):
    """A new schema of a user who is no superuser, for whom limits count."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create role ann login")
        connection.execute("grant create on database postgres to ann")
    yield postgres.new_schema(server.url.replace("postgres@", "ann@"))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("drop owned by ann cascade")
        connection.execute("drop role ann")


@contextmanager
def crowded_out(server, limit):
    """Nobody but superusers gets a new connection, and the old ones are ended."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"{limit} connection limit 0")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ann'")
        yield
        connection.execute(f"{limit} connection limit -1")


class TestTooManyConnections:
    @pytest.fixture
    def bare_url(self, anns_url):
        return anns_url

    @pytest.mark.parametrize("limit", ["alter role ann", "alter database postgres"])
    def test_workers_wait_for_room(self, site, server, load, crowd, limit):
        with crowded_out(server, limit):
            eventually(lambda: "too many connections" in site.log)
            with pytest.raises(StoreBusy, match=r"no connection left .*too many connections for"):
                site.tasks["note"].enqueue(-1)
            told = site.log.count("too many connections")
            eventually(lambda: site.log.count("too many connections") > told)

        check_goes_again(site, load, crowd)
        check_nothing_is_lost(site, load, crowd)
