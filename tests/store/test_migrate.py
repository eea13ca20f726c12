"""The version of the schema: how it comes about, and what is refused."""

from __future__ import annotations

import re
from shlex import quote

import pytest
from tests.store.acts import act, claim, new, put, row, status
from tests.store.processes import all_of, run

from jobyard.errors import SchemaOutOfDate, StoreError
from jobyard.store import migrate, open_store
from jobyard.store.builds import BuildFilter


def newest(store):
    return migrate.status(store.driver).needed


def pretend(store, version):
    """Make the store look as if this version had been installed."""
    store.check()
    with store.transaction() as tx:
        tx.execute("delete from schema_version")
        tx.execute(
            "insert into schema_version (version, word, applied_at) values (:version, 'made up', 1)",
            {"version": version},
        )


def test_an_empty_database_has_no_version(bare_store):
    status = migrate.status(bare_store.driver)

    assert (status.current, status.up_to_date) == (0, False)


def test_an_upgrade_brings_it_to_the_newest_and_a_second_finds_nothing(bare_store):
    assert bare_store.upgrade() == list(range(1, newest(bare_store) + 1))
    assert bare_store.upgrade() == []
    assert migrate.status(bare_store.driver).up_to_date


def test_the_first_use_installs_a_file(store):
    assert len(put(store)) == 1
    assert migrate.status(store.driver).up_to_date


def test_an_older_schema_is_refused_with_the_command_that_mends_it(store, url):
    pretend(store, newest(store) - 1 or -1)  # 0 would be a file without tables, which is installed

    with pytest.raises(SchemaOutOfDate, match=re.escape(f"run `jobyard --url {quote(url)} db upgrade`")):
        store.check()


def test_a_newer_schema_is_refused_with_what_to_do(store, url):
    pretend(store, 99)
    other = open_store(url)

    with pytest.raises(SchemaOutOfDate, match=r"version 99, made by a newer jobyard.*install the newer"):
        put(other)
    other.close()


def cancel(store, id):
    act(store, "cancel", id)


def claim_all(store, _id):
    claim(store)


class TestTablesThatBecomeNewer:
    """An older version, which has them open, reads what it does not know."""

    @pytest.fixture(autouse=True)
    def jobs(self, store):
        return put(store, new(), new())

    @pytest.fixture(params=["add column later integer", "rename column id to number"])
    def upgraded(self, store, jobs, request):
        row(store, jobs[0])
        with store.transaction() as tx:
            tx.execute(f"alter table main.jobs {request.param}")
        pretend(store, 99)

    @pytest.mark.usefixtures("upgraded")
    @pytest.mark.parametrize("meet", [row, cancel, claim_all])
    def test_whatever_meets_them_says_what_to_do(self, store, jobs, meet):
        for id in jobs:
            with pytest.raises(SchemaOutOfDate, match=r"version 99, made by a newer jobyard.*install the newer"):
                meet(store, id)

    def test_other_errors_are_what_they_were(self, store):
        with pytest.raises(StoreError, match="nowhere") as refused, store.read() as tx:
            tx.fetch("select * from main.nowhere")
        assert type(refused.value) is StoreError

        with pytest.raises(TypeError, match="of the caller"), store.transaction():
            raise TypeError("of the caller")


def test_uninstall_leaves_nothing_and_other_tables_alone(store):
    put(store)
    with store.transaction() as tx:
        tx.execute("create table mine (x integer)")

    store.uninstall()

    assert migrate.status(store.driver).current == 0
    with store.driver.read() as tx:
        assert tx.fetch("select * from mine") == []
    store.upgrade()
    assert status(store, put(store)[0]) == "queued"


def test_the_script_for_other_tools_does_the_same(bare_store):
    store = bare_store
    script = migrate.pending_sql(store.driver)
    assert "create table" in script

    with store.driver.transaction() as tx:
        for statement in re.sub(r"^(begin|commit);$", "", script, flags=re.MULTILINE).split(";\n"):
            if statement.strip():
                tx.execute(statement)

    assert migrate.status(store.driver).up_to_date
    assert migrate.pending_sql(store.driver) == ""
    assert len(put(store)) == 1


INSERT_JOB = """
insert into main.jobs (
    id, status, queue, task, rank, priority, due, received_at, args, definition, epoch, attempt, failures, crashes,
    open_parents, cursor, op_count, log_serial)
values (:id, 6, 'q', 't', 0, 0, 0, 0, '[]', :name, 1, 1, 0, 0, 0, 1, 1, 0)
"""
INSERT_BUILD = "insert into main.builds (job, recipe, cleanup, log_pruned) values (:id, 'as it was', 'c', 1)"


class TestBuildsOfDefinitions:
    """Migration 3, from what is there without it."""

    @pytest.fixture
    def store(self, bare_store, monkeypatch):
        known = migrate.migrations
        monkeypatch.setattr(migrate, "migrations", lambda dialect: known(dialect)[:2])
        bare_store.upgrade()
        monkeypatch.undo()
        return bare_store

    def test_builds_are_found_as_before(self, store):
        with store.driver.transaction() as tx:
            for id, name in ((1, "a"), (2, "b"), (3, "a")):
                tx.execute(INSERT_JOB, {"id": id, "name": name})
                tx.execute(INSERT_BUILD, {"id": id})

        assert store.upgrade() == [3]

        with store.read() as tx:
            found = store.builds.find(tx, BuildFilter("a"))
            kept = tx.fetch("select job, recipe, cleanup, log_pruned from main.builds order by job")
        assert [row.id for row in found] == [1, 3]
        assert kept == [(id, "as it was", "c", 1) for id in (1, 2, 3)]

    def test_what_is_older_can_make_no_build(self, store):
        store.upgrade()

        with pytest.raises(StoreError), store.driver.transaction() as tx:
            tx.execute("insert into main.builds (job, recipe) values (1, 'of an older version')")


def test_upgrades_at_once_from_many_processes_install_it_once(bare_store, bare_url):
    code = """
        from jobyard.store import open_store
        print(*open_store(url).upgrade())
        """

    installed = " ".join(str(number) for number in range(1, newest(bare_store) + 1))
    assert sorted(all_of(*[run(code, url=bare_url) for _ in range(4)])) == ["", "", "", installed]


def test_many_processes_may_use_a_new_store_at_once(store, url):
    code = """
        from jobyard.store import open_store
        from tests.store.acts import new, put
        print(*put(open_store(url), new(), new()))
        """

    results = all_of(*[run(code, url=url) for _ in range(4)])

    ids = sorted(int(id) for line in results for id in line.split())
    assert ids == list(range(1, 9))
    assert row(store, 8).status == 1
