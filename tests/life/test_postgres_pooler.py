"""A pgbouncer between all programs and the server."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from tests import postgres
from tests.life.processes import Site
from tests.pooler import Pooler, installed
from tests.support import eventually

from jobyard.errors import StoreBusy, StoreUnavailable
from jobyard.store import open_store

JOBS = 300
OPTIONS = {"transaction": "&prepare=off&notify=off", "session": "&prepare=off"}
POLL = {"transaction": "0.1", "session": "60"}
"""Where a commit wakes the workers they need not look by themselves."""


@pytest.fixture(scope="module")
def program():
    return installed() or pytest.skip("pgbouncer is not installed (Debian: apt install pgbouncer)")


@pytest.fixture(scope="module", params=OPTIONS)
def pooler(request, program):
    pooler = Pooler(program, postgres.shared(), mode=request.param)
    yield pooler
    pooler.remove()


@pytest.fixture
def bare_url(pooler, monkeypatch):
    monkeypatch.setenv("JOBYARD_POLL", POLL[pooler.mode])
    with postgres.schema(pooler.url) as url:
        yield url + OPTIONS[pooler.mode]


@pytest.fixture
def connection(pooler):
    """The caller's own."""
    with psycopg.connect(pooler.url, prepare_threshold=None) as connection:
        yield connection


def worker(site: Site):
    return site.worker(cancel_grace=0.1)


def pid(connection):
    with connection.transaction():
        return connection.execute("select pg_backend_pid()").fetchone()


@pytest.mark.parametrize("pooler", ["transaction"], indirect=True)
def test_transactions_of_a_client_go_over_several_connections(pooler, connection):
    with psycopg.connect(pooler.url, prepare_threshold=None) as other, other.transaction():
        pid(other)
        pid(connection)

    assert len({pid(connection) for _ in range(6)}) > 1


def test_a_url_that_lacks_an_option_is_told_which(pooler):
    words = r"unsupported startup parameter.*: .*add \?prepare=off to the URL"
    with closing(open_store(pooler.url)) as store, pytest.raises(StoreUnavailable, match=words):
        store.check()


def test_two_workers_run_each_job_once(site):
    crowd = [worker(site) for _ in range(2)]
    jobs = site.yard.enqueue_many([site.tasks["note"].new(n) for n in range(JOBS)])
    alone = site.tasks["note"].enqueue(JOBS)

    assert alone.wait(20).result == JOBS
    eventually(lambda: site.yard.count("status") == {("succeeded",): JOBS + 1}, timeout=30)
    assert sorted(map(int, site.lines("runs"))) == list(range(JOBS + 1))
    assert [job.refresh().result for job in jobs[:3]] == [0, 1, 2]
    assert [process.is_alive for process in crowd] == [True, True]
    site.check()


def test_a_worker_heeds_what_it_is_told(site):
    process = worker(site)
    running = site.tasks["hang"].enqueue()
    eventually(lambda: site.lines("began"))
    site.yard.queues.pause("default")
    paused = site.tasks["note"].enqueue(1)

    assert "hang" in str(eventually(running.stack))
    assert [reason.kind for reason in paused.why()] == ["paused"]
    assert running.cancel()[0]
    assert running.wait(20).status == "canceled"
    assert paused.refresh().status == "queued"
    site.yard.queues.resume("default")
    assert paused.wait(20).result == 1
    assert paused.retry().wait(20).attempt == 2
    assert process.is_alive
    site.check()


@pytest.mark.parametrize("commit", [True, False])
def test_a_job_exists_if_the_callers_transaction_commits(site, connection, commit):
    job = site.tasks["note"].using(connection=connection).enqueue(7)
    after = site.tasks["note"].using(connection=connection, after=[job], unique="k").enqueue(8)
    connection.commit() if commit else connection.rollback()
    worker(site)

    if commit:
        assert [job.wait(20).result, after.wait(20).result] == [7, 8]
    assert site.yard.count(()) == (2 if commit else 0)
    site.check()


def test_a_pooler_that_dies_ends_no_worker(site, pooler):
    process = worker(site)
    pooler.kill()
    with pytest.raises(StoreUnavailable):
        site.tasks["note"].enqueue(1)
    pooler.start()

    assert site.tasks["note"].enqueue(2).wait(20).result == 2
    assert process.is_alive
    site.check()


def test_a_pooler_without_room_is_busy(program, url):
    small = Pooler(program, postgres.shared(), clients=1)
    _, _, options = url.partition("?")
    store = open_store(f"{small.url}?{options}")

    with psycopg.connect(small.url), pytest.raises(StoreBusy, match=r"no connection left .*max_client_conn"):
        store.check()

    eventually(lambda: is_fine(store))
    store.close()
    small.remove()


def is_fine(store):
    try:
        store.check()
    except StoreBusy:
        return False  # it has not noticed yet that the other one left
    return True
