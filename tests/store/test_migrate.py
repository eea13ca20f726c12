"""The version of the schema: how it comes about, and what is refused."""

from __future__ import annotations

import re
from shlex import quote

import pytest
from tests.store.acts import act, claim, new, put, row, status
from tests.store.processes import all_of, run

from jobyard.errors import SchemaOutOfDate, StoreError
from jobyard.store import migrate, open_store


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
