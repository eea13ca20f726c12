"""What is special to SQLite: durability, and what goes wrong with files."""

from __future__ import annotations

import gc
import os
import sqlite3
import tempfile
import threading
import warnings
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.store.acts import add_worker, claim, insert, new, put, row
from tests.store.processes import run
from tests.support import eventually

from jobyard.errors import ConfigError, StoreBusy, StoreError, StoreFull, StoreUnavailable
from jobyard.store import open_store
from jobyard.store.invariants import check_invariants, facts
from jobyard.store.sql import migrations, statements
from jobyard.store.sqlite.batches import batched
from jobyard.store.sqlite.datagrams import Outbox
from jobyard.store.sqlite.filesystem import filesystem_of, network_filesystem

NOBODY = 65534


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobyard.db"


@contextmanager
def opened(path, options="", **settings):
    store = open_store(f"sqlite:///{path}{options}", **{"busy_timeout": 5, **settings})
    try:
        yield store
    finally:
        store.close()


@contextmanager
def unprivileged():
    """For the superuser nothing is read-only: be another user for a while."""
    if os.geteuid():
        yield
        return
    migrations("sqlite")  # that user may not get to the files of this copy
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder():
    """A folder that any user can reach, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory(prefix="jobyard-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


class TestUrl:
    @pytest.mark.parametrize(
        ("options", "level"), [("", 2), ("?synchronous=full", 2), ("?synchronous=NORMAL", 1), ("?synchronous=extra", 3)]
    )
    def test_it_says_how_durable_a_commit_is(self, path, options, level):
        with opened(path, options) as store, store.transaction() as tx:
            assert tx.fetch("pragma synchronous") == [(level,)]
            assert tx.fetch("pragma journal_mode") == [("wal",)]

    @pytest.mark.parametrize("options", ["", "?synchronous=normal", "?synchronous=extra"])
    def test_a_claim_need_not_be_durable_and_the_next_write_is(self, path, options):
        with opened(path, options) as store:
            store.check()
            with store.transaction() as tx:
                usual = tx.fetch("pragma synchronous")
            with store.transaction(durable=False) as tx:
                assert tx.fetch("pragma synchronous") == [(1,)]
            with store.transaction() as tx:
                assert tx.fetch("pragma synchronous") == usual

    @pytest.mark.parametrize(
        "url",
        [
            "sqlite:///x.db?synchronous=off",
            "sqlite:///x.db?mode=ro",
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            "sqlite://host/x.db",
            "mysql://host/db",
            "x.db",
            "",
        ],
    )
    def test_one_that_cannot_work_is_refused(self, url):
        with pytest.raises(ConfigError, match=r"sqlite:///|synchronous"):
            open_store(url)

    def test_a_relative_path_is_of_the_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        store = open_store("sqlite:///a%20b.db")
        monkeypatch.chdir("/")

        assert store.location == str(tmp_path / "a b.db")

    def test_nothing_is_opened_before_the_first_use(self, path):
        with opened(path) as store:
            assert store.location == str(path)

        assert not path.exists()


class TestFaults:
    def test_a_missing_folder_is_named(self, tmp_path):
        with opened(tmp_path / "no" / "x.db") as store:
            with pytest.raises(StoreUnavailable, match=r"folder .*/no does not exist"):
                put(store)
            (tmp_path / "no").mkdir()

            assert put(store) == [1]

    def test_what_is_no_database_is_said_to_be_none(self, path):
        path.write_bytes(b"something else entirely" * 100)

        with opened(path) as store, pytest.raises(StoreUnavailable, match=f"{path}: the file is not a SQLite database"):
            put(store)

    def test_a_folder_is_no_database(self, path):
        path.mkdir()

        with opened(path) as store, pytest.raises(StoreUnavailable, match=str(path)):
            put(store)

    def test_a_read_only_file_is_said_to_be_one(self, folder):
        path = folder / "x.db"
        with opened(path) as store:
            put(store)
        path.chmod(0o444)

        with opened(path) as store, unprivileged(), pytest.raises(StoreUnavailable, match=r"x\.db.*read-only"):
            insert(store, new())

    def test_a_read_only_folder_is_too(self, folder):
        folder.chmod(0o555)

        with opened(folder / "x.db") as store, unprivileged(), pytest.raises(StoreUnavailable, match=r"x\.db"):
            put(store)

    def test_a_full_disk_is_said_to_be_full_and_work_goes_on_after(self, path):
        big = new(args='[["' + "x" * 50_000 + '"]]')
        with opened(path) as store:
            [first] = put(store)
            worker = add_worker(store)
            with store.transaction() as tx:
                [(pages,)] = tx.fetch("pragma page_count")
                tx.fetch(f"pragma max_page_count = {pages + 2}")

            with pytest.raises(StoreFull, match="disk is full"):
                put(store, big, big)
            with pytest.raises(StoreFull):
                store.enqueue(big)

            assert [each.id for each in claim(store, worker=worker)] == [first]
            with store.transaction() as tx:
                tx.fetch("pragma max_page_count = 1000000")
            assert len(put(store, big, big)) == 2
            assert check_invariants(store, now=store.now(), lost_after=30) == []
            assert facts(store, store.now())["faults"] == []

    def test_a_foreign_writer_that_stays_too_long_is_busy(self, path):
        with opened(path, busy_timeout=0.2) as store:
            store.check()
            with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
                foreign.execute("begin immediate")

                for write in (lambda: put(store), lambda: store.enqueue(new())):
                    with pytest.raises(StoreBusy, match="connection="):
                        write()
                with store.read() as tx:
                    assert tx.fetch("select count(*) from jobs") == [(0,)]

                foreign.execute("rollback")
            assert len(put(store)) == 1

    def test_a_foreign_writer_is_waited_for(self, path):
        with opened(path) as store:
            store.check()
            with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as foreign:
                foreign.execute("begin immediate")
                timer = threading.Timer(0.2, foreign.execute, ["commit"])
                timer.start()

                assert put(store) == [1]
                timer.join()

    def test_another_process_that_holds_the_turn_too_long_is_busy(self, path):
        code = """
            import sys
            from jobyard.store import open_store
            with open_store(url).transaction():
                print("here", flush=True)
                sys.stdin.read()
            """
        with opened(path, busy_timeout=0.2) as store:
            store.check()
            other = run(code, url=store.url)
            assert other.stdout.readline() == "here\n"

            with pytest.raises(StoreBusy, match="busy_timeout"):
                put(store)

            other.communicate()
            assert other.returncode == 0
            assert len(put(store)) == 1

    def test_a_thread_that_holds_it_too_long_is_busy(self, path):
        with opened(path, busy_timeout=0.1) as store:
            store.check()
            errors = []

            def write():
                try:
                    put(store)
                except StoreError as error:
                    errors.append(error)

            with store.transaction():
                thread = threading.Thread(target=write)
                thread.start()
                thread.join()

            assert [type(error) for error in errors] == [StoreBusy]

    def test_a_transaction_in_a_transaction_is_refused_and_the_outer_one_lives(self, path):
        with opened(path) as store:
            with store.transaction() as tx:
                [stored] = store.jobs.insert(tx, [new()], store.now())
                with pytest.raises(StoreBusy, match="already open in this thread"):
                    put(store)

            assert row(store, stored.row.id) == stored.row

    def test_a_wrong_statement_is_an_error_of_the_store(self, path):
        with opened(path) as store, store.read() as tx, pytest.raises(StoreError, match="no such table: missing"):
            tx.fetch("select * from missing")

    def test_a_damaged_file_is_a_fault(self, path):
        with opened(path) as store:
            put(store, *[new(args=f'[["{n:0500}"]]') for n in range(200)])
            store.driver.checkpoint()
        damaged = bytearray(path.read_bytes())
        for page in range(10, len(damaged) // 4096):
            damaged[page * 4096 : page * 4096 + 64] = b"\xff" * 64
        path.write_bytes(damaged)

        with opened(path) as store:
            try:
                found = facts(store, store.now())["faults"]
            except StoreUnavailable as error:
                found = [str(error)]

        assert found
        assert any(word in " ".join(found) for word in ("malformed", "page", "Tree", "cell"))


class TestFile:
    def test_a_checkpoint_empties_the_log(self, path):
        with opened(path) as store:
            put(store, *[new() for _ in range(100)])
            assert facts(store, store.now())["log_size"] > 0

            store.driver.checkpoint()

            assert facts(store, store.now())["log_size"] == 0

    def test_readers_do_not_wait_for_a_writer(self, path):
        with opened(path) as store:
            put(store)
            with store.transaction() as tx:
                store.jobs.insert(tx, [new()], store.now())
                with store.read() as reader:
                    assert reader.fetch("select count(*) from jobs") == [(1,)]

    def test_a_read_sees_one_state(self, path):
        with opened(path) as store:
            put(store)
            with store.read() as tx:
                before = tx.fetch("select count(*) from jobs")
                put(store)
                assert tx.fetch("select count(*) from jobs") == before == [(1,)]

    def test_a_closed_store_opens_again_at_the_next_use(self, path):
        with opened(path) as store:
            put(store)
            store.close()
            store.close()

            assert put(store) == [2]

    def test_listeners_are_told_of_commits_that_are_not_ours(self, path):
        with opened(path) as store:
            store.check()
            heard = []
            forget = store.driver.listen(lambda: heard.append(True))
            eventually(lambda: heard)
            before = len(heard)

            with closing(sqlite3.connect(path)) as foreign:
                foreign.execute("create table mine (x)")
                foreign.commit()

            eventually(lambda: len(heard) > before)
            forget()


class TestFilesystem:
    MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
//host/share /mnt/my\\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
tmpfs /mnt/twice nfs rw 0 0
tmpfs /mnt/twice tmpfs rw 0 0
"""

    @pytest.mark.parametrize(
        ("path", "kind", "network"),
        [
            ("/srv/x.db", "ext4", None),
            ("/home/ann/x.db", "nfs4", "nfs4"),
            ("/homes/x.db", "ext4", None),
            ("/home/local/x.db", "xfs", None),
            ("/mnt/my share/x.db", "cifs", "cifs"),
            ("/mnt/ssh/deep/down/x.db", "fuse.sshfs", "fuse.sshfs"),
            ("/mnt/twice/x.db", "tmpfs", None),
        ],
    )
    def test_the_innermost_mount_tells(self, tmp_path, path, kind, network):
        mounts = tmp_path / "mounts"
        mounts.write_text(self.MOUNTS)

        assert filesystem_of(Path(path), mounts) == kind
        assert network_filesystem(Path(path), mounts) == network

    def test_where_nobody_tells_it_is_unknown(self, tmp_path):
        assert filesystem_of(tmp_path, tmp_path / "missing") is None
        assert network_filesystem(tmp_path, tmp_path / "missing") is None


class TestBatches:
    @pytest.mark.parametrize("count", [0, 1, 8, 63, 64, 73, 136])
    def test_each_row_is_stored_once_in_order(self, path, count):
        rows = [(at, "start", None, at, "name", None, f"[{at}]") for at in range(count)]
        with opened(path) as store, store.transaction() as tx:
            tx.execute_many(store.jobs.trail.add, rows)

            assert tx.fetch("select at, kind, user, job, definition, machine, data from events order by id") == rows

    def test_many_rows_take_few_statements(self):
        rows = [(0, "start", None, 1, None, None, None)] * (2 * 64 + 8 + 3)
        ran = [(text.count("?"), len(values)) for text, values in batched(statements("sqlite", "events").add, rows)]

        assert ran == [(64 * 7, 2), (8 * 7, 1), (7, 3)]

    def test_what_is_no_insert_runs_for_each_row(self):
        [(text, rows)] = batched("update events set at = :at", [(1,)] * 100)

        assert text == "update events set at = ?"
        assert len(rows) == 100


def test_a_socket_that_nobody_closed_is_closed_without_a_word(tmp_path):
    outbox = Outbox(tmp_path)
    outbox.circle = outbox
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del outbox
        gc.collect()

    assert [str(warning.message) for warning in said if warning.category is ResourceWarning] == []


def test_a_connection_that_looks_for_commits_is_not_closed_in_use(path, monkeypatch):
    """That would end the process; the thread may outlive its last listener for a moment."""
    inside, gate, closed = threading.Event(), threading.Event(), threading.Event()

    class Slow(sqlite3.Connection):
        def execute(self, *args):
            inside.set()
            assert gate.wait(20)
            return super().execute(*args)

    with opened(path) as store:
        put(store)
        store.driver.close()
        monkeypatch.setattr(
            store.driver, "_connect", lambda: sqlite3.connect(path, check_same_thread=False, factory=Slow)
        )
        forget = store.driver.listen(lambda: None)
        assert inside.wait(20)
        forget()
        closing = threading.Thread(target=lambda: (store.driver.close(), closed.set()))
        closing.start()

        assert not closed.wait(0.05)
        gate.set()
        closing.join(20)
        assert closed.is_set()
        assert store.driver._watcher is None


def test_a_process_that_writes_much_moves_the_log_less_often(path):
    """Also if it has written before, and after it was closed and opened anew."""

    def pages(store):
        with store.transaction() as tx:
            return tx.fetch("pragma wal_autocheckpoint")[0][0]

    with opened(path) as client, opened(path) as worker:
        usual = pages(worker)
        worker.driver.write_much()
        assert pages(worker) > usual
        worker.driver.close()
        assert pages(worker) > usual
        assert pages(client) == usual
