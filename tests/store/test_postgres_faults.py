"""What a network and a server do to connections, and what becomes of the jobs."""

from __future__ import annotations

import re
import threading
import time
from urllib.parse import urlsplit

import psycopg
import pytest
from tests import postgres
from tests.proxy import Proxy
from tests.store.acts import add_worker, claim, end, insert, new, put, row, statuses
from tests.support import eventually
from tests.worker.serving import serving

from jobyard import Yard
from jobyard.errors import StoreBusy, StoreError, StoreUnavailable
from jobyard.model.events import StoreRetry
from jobyard.model.messages import LogLine
from jobyard.store import open_store
from jobyard.store.driver import Unanswered
from jobyard.store.filters import JobFilter, count_jobs
from jobyard.store.invariants import check_invariants
from jobyard.store.postgres.line import FRESH
from jobyard.store.prune import prune

COUNT = 40
COMMITTED = b"COMMIT\x00"
INSERTED = b"SELECT 1\x00"


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield url


@pytest.fixture
def proxy(url):
    proxy = Proxy(urlsplit(url).port)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def sound(store):
    """Whatever happened, the store keeps what must always hold."""
    yield
    assert check_invariants(store, now=store.now(), lost_after=30) == []


def by_way_of(proxy, url):
    return url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")


@pytest.fixture
def far(url, proxy, clock):
    """The store, by way of the proxy."""
    store = open_store(by_way_of(proxy, url), busy_timeout=5, clock=clock)
    store.check()
    yield store
    store.close()


def count(store):
    with store.read() as tx:
        return count_jobs(tx, (), JobFilter(), store.now())[0][0]


def kill_all(url):
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
            "where application_name = 'jobyard' and datname = current_database() and pid <> pg_backend_pid()"
        )
    time.sleep(2 * FRESH)  # they are idle by then, and not in use


def idle(store):
    """Whether a worker sleeps, and asks to be told of jobs."""
    with store.read() as tx:
        return tx.fetch("select count(*) from main.idle where heed <= 1")[0][0]


def asleep(url):
    """Whether the server is in the middle of a slow statement."""
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        slow = "select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        return bool(connection.execute(slow).fetchall())


class TestLostReplies:
    def test_a_job_whose_commit_was_not_heard_of_is_there_once(self, far, store, proxy):
        proxy.cut_at = INSERTED

        stored = far.enqueue(new())

        assert proxy.cut_at is None
        assert (count(store), stored.existing) == (1, False)
        assert statuses(store, [stored.row.id]) == ["queued"]

    @pytest.mark.parametrize("sent", [True, False])
    def test_an_error_says_whether_the_job_may_be_there(self, far, store, proxy, sent):
        put(far)
        proxy.close_at = re.compile(INSERTED)
        if not sent:
            proxy.close()
            time.sleep(2 * FRESH)

        with pytest.raises(StoreUnavailable) as refused:
            far.enqueue(new())

        assert refused.value.in_doubt is sent
        assert count(store) == (2 if sent else 1)

    def test_many_jobs_whose_commit_was_not_heard_of_are_there_once(self, far, store, proxy):
        proxy.cut_at = COMMITTED

        stored = insert(far, *[new() for _ in range(10)])

        assert (proxy.cut_at, count(store)) == (None, 10)
        assert statuses(store, [each.row.id for each in stored]) == ["queued"] * 10

    def test_claims_whose_commit_was_not_heard_of_are_held(self, far, proxy):
        ids, worker = put(far, new(), new()), add_worker(far)
        proxy.cut_at = COMMITTED

        claimed = claim(far, worker=worker)

        assert proxy.cut_at is None
        assert [row.id for row in claimed] == ids
        assert end(far, claimed[0]).stale == []

    def test_what_the_server_still_does_for_a_lost_connection_can_be_ended(self, far, store, url, proxy):
        put(far)
        errors = []

        def hang():
            slow = "update main.jobs set priority = 7 where pg_sleep(60) is not null returning id"
            try:
                far.driver.alone(slow, {}, ends=True)
            except Unanswered as error:
                errors.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        eventually(lambda: asleep(url))
        proxy.break_all()
        thread.join(20)

        [error] = errors
        assert (error.in_doubt, asleep(url)) == (False, True)
        proxy.swallow = True
        with pytest.raises(StoreError):
            error.end()
        proxy.swallow = False
        error.end()
        assert not asleep(url)
        assert row(store, 1).priority == 0

    def test_a_worker_whose_commit_was_not_heard_of_goes_on(self, url, proxy, store):
        ran = []
        with Yard(by_way_of(proxy, url)) as yard:

            @yard.task(name="note")
            def note(number):
                ran.append(number)
                proxy.cut_at = COMMITTED

            yard.enqueue_many([note.new(number) for number in range(5)])
            summary = yard.worker(concurrency=1).run_until_idle()

        assert ran == [0, 1, 2, 3, 4]
        assert (summary.succeeded, summary.left) == (5, 0)

    def test_a_claim_whose_answer_was_lost_is_given_back_by_a_worker_that_stops(self, url, proxy, store):
        ran = []
        with Yard(by_way_of(proxy, url), poll=60) as yard:

            @yard.task(name="note")
            def note(number):
                ran.append(number)

            with serving(yard, concurrency=1) as served:
                note.enqueue(1).wait(20)
                eventually(lambda: idle(store))
                yard.emitter.on(StoreRetry, lambda _: served.worker.stop())
                proxy.cut_at = b"unique_until\0"
                job = note.enqueue(2)
                served.join()

            assert (proxy.cut_at, ran) == (None, [1])
            assert (job.refresh().status, job.attempt) == ("queued", 0)

    def test_what_was_rolled_back_is_an_error(self, far, store, url):
        def killed_before_its_commit():
            with far.transaction() as tx:
                far.jobs.insert(tx, [new()], far.now())
                kill_all(url)

        with pytest.raises(StoreUnavailable):
            killed_before_its_commit()

        assert count(store) == 0
        assert len(put(far)) == 1

    def test_a_server_without_a_free_connection_is_asked_again(self, store, url, proxy, clock):
        server, _, schema = url.partition("?")
        role = schema.replace("schema=", "role_")
        theirs = open_store(by_way_of(proxy, url).replace("postgres@", f"{role}@"), clock=clock)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create role {role} login in role {connection.info.user}")
            put(theirs)
            connection.execute(f"alter role {role} connection limit 0")
            proxy.cut_at = COMMITTED
            lifting = threading.Timer(0.5, connection.execute, [f"alter role {role} connection limit -1"])
            lifting.start()

            stored = insert(theirs, new(), new())

            lifting.join()
            theirs.close()
            connection.execute(f"drop role {role}")
        assert (proxy.cut_at, count(store)) == (None, 3)
        assert statuses(store, [each.row.id for each in stored]) == ["queued"] * 2


class TestSilence:
    def test_packets_that_are_swallowed_are_noticed(self, far, proxy):
        """On all connections at the same time, although nobody can be asked about them."""
        began, lost = [], []

        def swallow():
            proxy.swallow = True
            began.append(time.monotonic())

        opened, silent = threading.Barrier(3), threading.Barrier(3, swallow)

        def ask():
            with far.read() as tx:
                tx.fetch("select 1")
                opened.wait(10)
            silent.wait(10)
            with pytest.raises(StoreUnavailable):
                put(far)
            lost.append(time.monotonic())

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(40)

        assert len(lost) == 3
        assert max(lost) - began[0] < 15
        proxy.swallow = False
        assert len(put(far)) == 1

    def test_a_listener_whose_connection_went_silent_has_another(self, far, proxy):
        heard = []
        forget = far.driver.listen(lambda: heard.append(True))
        eventually(lambda: heard)
        heard.clear()

        proxy.freeze()

        eventually(lambda: heard, timeout=15)
        forget()

    def test_a_long_wait_for_a_lock_is_no_silence(self, url, clock, store):
        [id] = put(store)
        other = open_store(url, busy_timeout=30, clock=clock)
        began, done = threading.Event(), []

        def wait():
            with other.transaction() as tx:
                began.set()
                done.append(other.jobs.lock(tx, id).id)

        waiting = threading.Thread(target=wait)
        with psycopg.connect(url.partition("?")[0]) as somebody:
            somebody.execute(f"select from {store.driver.schema}.jobs for update")
            waiting.start()
            began.wait(10)
            waiting.join(8)
            assert done == []
        waiting.join(10)
        other.close()

        assert done == [id]


def test_a_connection_that_died_while_idle_is_not_given_out(store, url):
    put(store)
    kill_all(url)

    assert len(put(store)) == 1
    assert count(store) == 2


def test_all_connections_in_use_is_busy(url, clock):
    store = open_store(url, busy_timeout=0.2, clock=clock)
    inside, done = threading.Barrier(11), threading.Event()

    def hold():
        with store.read() as tx:
            tx.fetch("select 1")
            inside.wait(10)
            done.wait(10)

    threads = [threading.Thread(target=hold) for _ in range(10)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    with pytest.raises(StoreBusy, match="all 10 connections"):
        put(store)
    with store.transaction(priority=True) as tx:
        assert tx.fetch("select 1") == [(1,)]
    done.set()
    for thread in threads:
        thread.join()
    store.close()


def test_a_lock_that_is_held_for_too_long_is_busy(url, clock, store):
    [id] = put(store)
    other = open_store(url, busy_timeout=0.2, clock=clock)
    with store.transaction() as tx:
        store.jobs.lock(tx, id)
        with pytest.raises(StoreBusy, match="busy_timeout"), other.transaction() as theirs:
            other.jobs.lock(theirs, id)
    other.close()


def test_a_client_that_is_frozen_in_a_transaction_holds_its_locks_for_seconds_only(store, url, clock):
    [id] = put(store)
    other = open_store(url, busy_timeout=20, clock=clock)
    frozen = store.transaction()
    tx = frozen.__enter__()
    store.jobs.lock(tx, id)

    began = time.monotonic()
    with other.transaction() as theirs:
        assert other.jobs.lock(theirs, id).id == id

    assert time.monotonic() - began < 10
    with pytest.raises(StoreUnavailable):
        tx.fetch("select 1")
    frozen.__exit__(StoreUnavailable, StoreUnavailable("frozen"), None)
    other.close()


def test_a_read_only_server_is_unavailable(url, clock):
    server, _, schema = url.partition("?")
    store = open_store(f"{server}?{schema}&options=-c%20default_transaction_read_only%3Don", clock=clock)

    with pytest.raises(StoreUnavailable, match="takes no writes"):
        store.enqueue(new())
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 / 0",
        "insert into main.queues select string_agg(md5(i::text), ''), 0, 0 from generate_series(1, 300) as i",
        "insert into main.queues (name, paused) values ('a', 0), ('a', 0)",
    ],
)
def test_what_a_server_refuses_to_do_is_no_server_away(store, statement):
    with pytest.raises(StoreError) as refused, store.transaction() as tx:
        tx.fetch(statement)

    assert type(refused.value) is StoreError


def test_a_server_that_is_too_old_is_refused(url, proxy):
    with psycopg.connect(url.partition("?")[0]) as connection:
        version = connection.info.parameter_status("server_version").encode()
    proxy.swap = (b"server_version\0" + version, b"server_version\x0013" + version[2:])
    store = open_store(by_way_of(proxy, url))

    for use in (store.upgrade, store.check, store.now):
        with pytest.raises(StoreUnavailable, match=r"the server is PostgreSQL 13\..*, and jobyard needs 14 or later"):
            use()


class TestStatementTimeout:
    """A server that deletes slowly, and cancels what takes too long."""

    @pytest.fixture
    def slow(self, url, store, clock):
        """Takes a table and seconds for a row, and returns the store as a user with a statement timeout has it."""
        server, _, schema = url.partition("?")
        hurried = open_store(f"{server}?{schema}&options=-c%20statement_timeout%3D100ms", clock=clock)

        def slow(table, seconds):
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"set search_path to {store.driver.schema}")
                connection.execute(
                    "create function dawdle() returns trigger language plpgsql as "
                    f"'begin perform pg_sleep({seconds}); return old; end'"
                )
                connection.execute(
                    f"create trigger dawdle before delete on {table} for each row execute function dawdle()"
                )
            return hurried

        yield slow
        hurried.close()

    @pytest.fixture
    def old(self, store, clock):
        """Many jobs, each with a log line and an event, that are past their time."""
        ids = put(store, *[new() for _ in range(COUNT)])
        for held in claim(store):
            with store.transaction() as tx:
                store.records.write(tx, held.id, held.epoch, [LogLine(0, store.now(), 20, "l", "m")], [], store.now())
                store.events.add(tx, "cancel", store.now(), job=held.id)
            end(store, held)
        clock.advance(1000 * 86_400)
        return ids

    @pytest.mark.parametrize("table", ["jobs", "log", "events"])
    def test_batches_of_a_prune_shrink_until_they_pass(self, store, slow, old, table):
        hurried = slow(table, 0.01)
        with pytest.raises(StoreBusy, match="statement_timeout"), hurried.transaction() as tx:
            tx.execute(f"delete from main.{table}")

        gone = prune(hurried, keep=1, keep_failed=1, now=store.now())

        assert (gone.jobs, gone.log, gone.events) == (COUNT, COUNT, COUNT)
        assert count(store) == 0

    def test_one_row_that_takes_too_long_is_an_error(self, store, slow, old):
        with pytest.raises(StoreBusy, match="statement_timeout"):
            prune(slow("jobs", 1), keep=1, keep_failed=1, now=store.now())

        assert count(store) == COUNT


def test_the_clock_is_the_servers_whatever_the_machines_says(store, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + 86_400) * 1e9))

    assert abs(store.driver.now() / 1e6 - real()) < 5


def test_a_worker_that_was_heard_of_meanwhile_is_not_lost(store):
    worker = add_worker(store)

    with store.transaction() as tx:
        assert not store.workers.end(tx, worker, "lost", store.now(), before=store.now())
        assert store.workers.end(tx, worker, "lost", store.now(), before=store.now() + 1)


def test_listeners_come_back(store, url):
    heard = []
    forget = store.driver.listen(lambda: heard.append(True))
    eventually(lambda: heard)
    heard.clear()

    kill_all(url)

    eventually(lambda: heard)
    forget()
