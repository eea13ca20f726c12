"""Behind a pooler: nothing that lasts longer than a transaction is relied on."""

from __future__ import annotations

import psycopg
import pytest
from tests import postgres
from tests.store.acts import act, add_worker, claim, end, new, put, status
from tests.support import eventually

from jobyard import Yard
from jobyard.errors import ConfigError
from jobyard.store import open_store
from jobyard.store.driver import Heed


@pytest.fixture
def bare_url():
    with postgres.schema(postgres.shared()) as url:
        yield f"{url}&prepare=off&notify=off"


def test_jobs_are_stored_claimed_and_ended(store):
    stored = store.enqueue(new())
    put(store, new(unique="k", token="t"), new(after=[stored.row.id]), new(ops=["a", "b"]))
    [row] = claim(store, worker=add_worker(store), limit=1)
    end(store, row)
    act(store, "retry", row.id)

    assert status(store, row.id) == "queued"


def test_no_statement_is_prepared_and_nobody_listens(store, bare_url):
    put(store)
    for _ in range(10):
        assert status(store, 1) == "queued"
    forget = store.driver.listen(lambda: None)
    assert not store.driver.rest(Heed.JOBS)
    forget()

    with store.read() as tx:
        assert tx.fetch("select count(*) from pg_prepared_statements") == [(0,)]
    with psycopg.connect(bare_url.partition("?")[0], autocommit=True) as connection:
        query = "select count(*) from pg_stat_activity where query ilike 'listen%%' and query like %s"
        assert connection.execute(query, [f"%{store.driver.schema}%"]).fetchone() == (0,)


def test_what_a_transaction_sets_ends_with_it(store):
    with store.transaction() as tx:
        assert tx.fetch("show lock_timeout") == [("10s",)]

    assert store.driver.alone("select current_setting('lock_timeout')", {}) == [("0",)]


def test_a_worker_polls(url):
    with Yard(url, poll=0.1) as yard:
        task = yard.task(name="t")(lambda: 7)
        job = task.enqueue()
        yard.worker().run_until_idle()
        assert eventually(lambda: job.refresh().result) == 7


@pytest.mark.parametrize(
    ("option", "words"),
    [("schema=My-Schema", "schema='My-Schema'"), ("notify=maybe", "on or off"), ("prepare=", "on or off")],
)
def test_a_bad_option_is_named(option, words):
    with pytest.raises(ConfigError, match=words) as refused:
        open_store(f"postgresql://ann:secret@host/db?{option}")

    assert "secret" not in str(refused.value)
