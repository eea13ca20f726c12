"""A PostgreSQL server that goes away under load, and workers that go on when it is back."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from tests import postgres
from tests.support import eventually

from jobyard.errors import StoreError

JOBS = 1500


@pytest.fixture(scope="module")
def server():
    server = postgres.Server()
    yield server
    server.remove()


@pytest.fixture
def bare_url(server):
    url = postgres.new_schema(server.url)
    yield url
    postgres.drop_schema(url)


@pytest.fixture
def crowd(site):
    """Two workers, and some jobs to run."""
    site.yard.enqueue_many([site.tasks["note"].new(n) for n in range(JOBS)])
    return [site.worker() for _ in range(2)]


def all_done(site):
    try:
        return site.yard.count("status").get(("succeeded",), 0) == site.yard.count(())
    except StoreError:
        return False


def check(site, crowd):
    eventually(lambda: all_done(site), timeout=30)
    assert {int(line) for line in site.lines("runs")} >= set(range(JOBS))
    assert [worker.is_alive for worker in crowd] == [True, True]
    site.check()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_loses_nothing_and_ends_nobody(site, server, crowd, mode):
    eventually(lambda: site.lines("runs"))

    server.restart(mode)
    back = time.monotonic()
    ran = len(site.lines("runs"))

    eventually(lambda: len(site.lines("runs")) > ran or all_done(site))
    assert time.monotonic() - back < 10
    check(site, crowd)


@contextmanager
def terminated_at_random(url):
    """Five connections of jobyard's a second are ended by the server."""
    stop = threading.Event()

    def terminate():
        chance = random.Random(1)
        with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
            while not stop.wait(0.2):
                found = connection.execute("select pid from pg_stat_activity where application_name = 'jobyard'")
                if pids := [pid for (pid,) in found]:
                    connection.execute("select pg_terminate_backend(%s)", [chance.choice(pids)])

    thread = threading.Thread(target=terminate)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_connections_that_are_ended_at_random_lose_nothing(site, url, crowd):
    with terminated_at_random(url):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                site.tasks["note"].enqueue(JOBS)
            except StoreError:
                pass  # it says that it is not stored, or may not be
        eventually(lambda: all_done(site), timeout=30)

    check(site, crowd)
