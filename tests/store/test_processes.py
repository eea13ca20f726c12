"""Several processes on one store."""

from __future__ import annotations

import os
from threading import Event

import pytest
from tests.store.acts import claim, new, put, row, statuses
from tests.store.processes import all_of, run

from jobyard.store import open_store
from jobyard.store.driver import Heed
from jobyard.store.invariants import check_invariants

CLAIMS = """
    from jobyard.store import open_store
    from tests.store.acts import claim
    store = open_store(url)
    taken = []
    while batch := claim(store, worker=worker, limit=7):
        taken += [row.id for row in batch]
    print(*taken)
    """


def numbers(lines):
    return [[int(word) for word in line.split()] for line in lines]


def test_processes_that_claim_never_share_a_job(store, url):
    stored = put(store, *[new() for _ in range(300)])

    taken = numbers(all_of(*[run(CLAIMS, url=url, worker=n) for n in (1, 2, 3)]))

    assert sorted(id for each in taken for id in each) == stored
    assert {row(store, id).worker for id in taken[0]} <= {1}


def test_sixty_four_callers_of_one_unique_key_get_one_job(store, url):
    """Each on connections of its own; all are connected before the first one calls."""
    store.check()
    code = """
        from threading import Barrier, Thread
        from jobyard.store import open_store
        from tests.store.acts import insert, new
        start, stored = Barrier(17), []
        def call():
            store = open_store(url)
            store.check()
            start.wait()
            stored.extend(insert(store, new(unique="k")))
            store.close()
        callers = [Thread(target=call) for _ in range(16)]
        for caller in callers:
            caller.start()
        print("ready", flush=True)
        input()
        start.wait()
        for caller in callers:
            caller.join()
        print(*[each.row.id for each in stored], sum(each.existing for each in stored))
        """
    processes = [run(code, url=url) for _ in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()

    answers = numbers(all_of(*processes))

    assert [len(ids) for *ids, _ in answers] == [16] * 4
    assert len({id for *ids, _ in answers for id in ids}) == 1
    assert sum(existing for *_, existing in answers) == 63
    assert check_invariants(store, now=store.now(), lost_after=30) == []


def test_processes_that_enqueue_at_once_lose_nothing(store, url):
    store.check()
    code = """
        from jobyard.store import open_store
        from tests.store.acts import new, put
        store = open_store(url)
        print(*[id for _ in range(20) for id in put(store, new(), new())])
        """

    ids = [id for each in numbers(all_of(*[run(code, url=url) for _ in range(3)])) for id in each]

    assert len(set(ids)) == len(ids) == 120
    assert sorted(each.id for each in claim(store, limit=200)) == sorted(ids)


def test_a_commit_elsewhere_wakes_those_who_listen(store, url):
    put(store)
    woken = Event()
    forget = store.driver.listen(woken.set)
    assert woken.wait(10)  # once at the start: what came before is not missed
    woken.clear()
    store.driver.rest(Heed.JOBS)
    code = """
        from jobyard.store import open_store
        from tests.store.acts import put
        store = open_store(url)
        put(store)
        store.driver.notify(everywhere=True)
        """

    all_of(run(code, url=url))

    assert woken.wait(10)
    forget()


def test_a_notice_here_is_heard_at_once(store):
    store.check()
    heard = []
    forget = store.driver.listen(lambda: heard.append(True))
    before = len(heard)

    store.driver.notify(everywhere=False)

    assert len(heard) > before
    forget()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
class TestFork:
    def test_a_forked_process_opens_connections_of_its_own(self, url):
        code = """
            import os
            from jobyard.store import open_store
            from tests.store.acts import put
            store = open_store(url)
            put(store)
            if (child := os.fork()) == 0:
                put(store)
                put(store)
                with store.read() as tx:
                    assert len(tx.fetch("select id from jobs")) == 3
                store.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            print(*put(store))
            """

        assert all_of(run(code, url=url)) == ["4"]

    def test_what_a_child_stored_outlives_the_parents_close(self, url, store):
        code = """
            import os, sys
            from jobyard.store import open_store
            from tests.store.acts import put
            store = open_store(url)
            put(store)
            mine, childs = os.pipe()
            closed, close = os.pipe()
            if (child := os.fork()) == 0:
                put(store)
                os.write(childs, b"!")
                os.read(closed, 1)
                put(store)
                os._exit(0)
            os.read(mine, 1)
            store.close()
            os.write(close, b"!")
            assert os.waitpid(child, 0)[1] == 0
            """

        all_of(run(code, url=url))

        assert statuses(store, [1, 2, 3]) == ["queued"] * 3

    @pytest.mark.parametrize("block", ["transaction", "read"])
    def test_a_fork_in_the_middle_of_a_transaction_is_kept_from_harm(self, url, store, block):
        store.check()
        code = """
            import os
            from jobyard.errors import StoreUnavailable
            from jobyard.store import open_store
            from tests.store.acts import put
            store = open_store(url)
            try:
                with getattr(store, block)() as tx:
                    child = os.fork()
                    if child == 0:
                        put(store)
                        os._exit(0)
                    assert os.waitpid(child, 0)[1] == 0
                    assert tx.fetch("select 1") == [(1,)]
            except StoreUnavailable as error:
                assert "forked while the database was in use" in str(error)
                os._exit(child)
            put(store)
            """

        all_of(run(code, url=url, block=block))

        assert statuses(store, [1]) == ["queued"]

    def test_a_fork_waits_for_the_transactions_of_other_threads(self, url, store):
        store.check()
        code = """
            import os, threading, time
            from jobyard.store import open_store
            from tests.store.acts import new, put
            store = open_store(url)
            inside = threading.Event()
            def write():
                with store.transaction() as tx, store.read():
                    inside.set()
                    time.sleep(0.1)
                    store.jobs.insert(tx, [new()], store.now())
            thread = threading.Thread(target=write)
            thread.start()
            inside.wait()
            if (child := os.fork()) == 0:
                put(store)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            thread.join()
            """

        all_of(run(code, url=url))

        assert statuses(store, [1, 2]) == ["queued", "queued"]

    def test_listeners_of_the_parent_go_on_after_a_fork(self, url, store):
        store.check()
        code = """
            import os, threading
            from jobyard.store import open_store
            from jobyard.store.driver import Heed
            from tests.store.acts import put
            store = open_store(url)
            heard = threading.Event()
            store.driver.listen(heard.set)
            assert heard.wait(10)
            for _ in range(3):
                heard.clear()
                store.driver.rest(Heed.JOBS)
                if (child := os.fork()) == 0:
                    put(store)
                    store.driver.notify(everywhere=True)
                    os._exit(0)
                assert heard.wait(10)
                assert os.waitpid(child, 0)[1] == 0
            store.close()
            """

        all_of(run(code, url=url))

        assert statuses(store, [1, 2, 3]) == ["queued"] * 3

    def test_a_child_writes_while_the_parents_driver_lives_on(self, url, store):
        store.check()
        code = """
            import os
            from jobyard.store import open_store
            from tests.store.acts import put
            store = open_store(url, busy_timeout=20)
            put(store)
            children = []
            for _ in range(3):
                if (child := os.fork()) == 0:
                    for _ in range(10):
                        put(store)
                    os._exit(0)
                children.append(child)
            for _ in range(10):
                put(store)
            assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
            """

        all_of(run(code, url=url))

        assert len(claim(store, limit=100)) == 41


def test_two_stores_in_one_process_take_turns(store, url):
    other = open_store(url)

    ids = [id for n in range(10) for id in put(store if n % 2 else other)]

    assert ids == sorted(set(ids))
    other.close()
