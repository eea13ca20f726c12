"""What must always hold, and that each fault is found."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, end, make, new, put, row, spoil, status

from jobyard.model.messages import LogLine, ProgressReport
from jobyard.model.states import STATUSES
from jobyard.store.invariants import check_invariants, facts

LOST_AFTER = 30


def broken(store, **options):
    found = check_invariants(store, now=store.now(), lost_after=LOST_AFTER, **options)
    return {(violation.id, *violation.jobs) for violation in found}


@pytest.fixture
def busy(store, clock):
    """A store that has seen everything."""
    worker = add_worker(store)
    for state in STATUSES:
        make(store, state, unique=state.value)
        make(store, state, unique=f"long {state}", unique_for=60.0)
        make(store, state, ops=["t", "t"])
    put(store, *[new(queue="q", unique=f"start {n}", unique_for="start") for n in range(4)])
    rows = claim(store, queues=["q"], worker=worker)
    with store.transaction() as tx:
        lines = [LogLine(0, store.now(), 20, "l", str(n)) for n in range(3)]
        store.records.write(tx, rows[0].id, rows[0].epoch, lines, [ProgressReport(["g"], 1, 2, "")], store.now())
    for claimed, how in zip(rows, ("drained", "raised", "crashed", "returned"), strict=True):
        end(store, claimed, how)
    suspended = put(store, new("p", queue="p"), new(after=[-1]))[1]
    act(store, "suspend", suspended)
    end(store, *claim(store, queues=["p"], tasks=["p"]), ended="raised")
    act(store, "retry", put_and_fail(store))
    act(store, "run_now", make(store, "scheduled"))
    act(store, "change_priority", put(store)[0], 4)
    spoil(store, "update jobs set worker = :worker where status in (4, 5)", worker=worker)
    return worker


def put_and_fail(store):
    return make(store, "failed", after=[make(store, "succeeded")], queue="once")


def test_a_store_that_has_seen_everything_is_sound(store, busy):
    assert broken(store, max_crashes=3) == set()


def test_an_empty_store_is_sound(store):
    assert broken(store) == set()


SPOILED = [
    ("I1", "succeeded", "insert into ops (job, idx, task, args, priority) values (:id + 100, 0, 't', '[]', 0)", 100),
    ("I1", "queued", "update jobs set op_count = 2 where id = :id", 0),
    ("I2", "queued", "update jobs set attempt = epoch + 1 where id = :id", 0),
    ("I2", "running", "update jobs set started_at = null where id = :id", 0),
    ("I2", "canceling", "update requests set epoch = 9 where job = :id", 0),
    ("I4", "succeeded", "update jobs set ended_at = null where id = :id", 0),
    ("I4", "queued", "update jobs set ended_at = 1 where id = :id", 0),
    ("I5", "queued", "update jobs set crashes = 1 where id = :id", 0),
    ("I6", "queued", "update jobs set cursor = 1 where id = :id", 0),
    ("I6", "queued", "update jobs set status = 10, ended_at = 1 where id = :id", 0),
    ("I9", "waiting", "update jobs set open_parents = 2 where id = :id", 0),
    ("I9", "waiting", "delete from dependencies where child = :id", 0),
    ("I9", "waiting", "update jobs set status = 1 where id = :id", 0),
    ("I11", "queued", "insert into progress (job, path, current, status, at) values (:id, '[]', 1, '', 1)", 0),
    ("I12", "succeeded", "update jobs set log_serial = 1 where id = :id", 0),
    ("I13", "canceled", "update jobs set attempt = 0, exec_at = 1 where id = :id", 0),
    ("I14", "running", "update jobs set worker = 77 where id = :id", 0),
    ("I16", "queued", "update jobs set rank = rank - 1 where id = :id", 0),
    ("I16", "queued", "update jobs set priority = 1 where id = :id", 0),
    ("I18", "waiting", "delete from jobs where id = :id - 1", 0),
    ("I18", "queued", "update jobs set refs = '[[[0],99,null,null]]' where id = :id", 0),
]


@pytest.mark.parametrize(("invariant", "state", "statement", "offset"), SPOILED)
def test_each_fault_is_found_with_its_job(store, invariant, state, statement, offset):
    id = make(store, state)
    spoil(store, "update jobs set worker = null")
    assert broken(store) == set()

    spoil(store, statement, id=id)

    assert (invariant, id + offset) in broken(store)


def test_an_id_that_would_be_given_again_is_found(store):
    [id] = put(store)
    spoil(store, "update jobs set id = id + 100")

    assert ("I1", id + 100) in broken(store)


def test_a_log_line_of_a_run_that_did_not_hold_the_job_is_found(store):
    id = make(store, "succeeded")

    spoil(
        store,
        "insert into log (job, serial, op, at, level, logger, message) values (:id, 5, 3, :now, 20, 'l', 'm')",
        id=id,
        now=store.now(),
    )

    assert {"I3", "I12"} == {invariant for invariant, *_ in broken(store)}


def test_a_lost_unique_key_is_found(store):
    kept, lost = put(store, new(unique="a"), new(unique="b"))
    spoil(store, "update jobs set unique_key = null where id = :id", id=lost)

    assert broken(store) == {("I8", lost)}
    assert row(store, kept).unique_key == "a"


def test_too_many_crashes_are_found_when_the_limit_is_known(store):
    put(store)
    for _ in range(3):
        end(store, *claim(store), ended="crashed", max_crashes=100)

    assert broken(store) == broken(store, max_crashes=4) == set()
    assert broken(store, max_crashes=3) == {("I5", 1)}


def test_a_job_that_waits_for_one_that_ended_is_found_after_the_sweep(store, clock):
    parent, child = put(store, new(), new(after=[-1]))
    claim(store)
    spoil(store, "update jobs set status = 6, ended_at = :now where id = :id", id=parent, now=store.now())
    clock.advance(120)
    assert broken(store) == set()

    clock.advance(1)

    assert broken(store) == {("I9", child)}
    with store.transaction() as tx:
        store.jobs.release(tx, store.jobs.strays(tx), store.now())
    assert (status(store, child), broken(store)) == ("queued", set())


def test_a_silent_worker_is_a_fault_where_another_could_reclaim(store, clock):
    silent = add_worker(store, "silent", queues=["none"])
    put(store)
    claim(store, worker=silent)
    other = add_worker(store, "other", queues=["none"])
    clock.advance(61)
    assert broken(store) == set()

    with store.transaction() as tx:
        store.workers.beat(tx, other, "running", store.now())

    assert broken(store) == {("I14", 1)}


@pytest.mark.parametrize("state", ["stopped", "lost"])
def test_a_job_held_by_a_worker_that_has_ended_is_found(store, state):
    worker = add_worker(store)
    put(store)
    claim(store, worker=worker)
    assert broken(store) == set()

    with store.transaction() as tx:
        store.workers.end(tx, worker, state, store.now())

    assert broken(store) == {("I14", 1)}


class TestReadyBesideAnIdleWorker:
    def after_a_while(self, store, clock, worker):
        clock.advance(61)
        with store.transaction() as tx:
            store.workers.beat(tx, worker, "running", store.now())
        return broken(store)

    def test_it_is_found(self, store, clock):
        worker = add_worker(store, queues=["a", "default"])
        [id] = put(store)

        assert self.after_a_while(store, clock, worker) == {("I15", id)}

    @pytest.mark.parametrize("options", [{"queues": ["other"]}, {"tasks": ["other"]}, {"concurrency": 0}])
    def test_not_where_the_worker_cannot_take_it(self, store, clock, options):
        worker = add_worker(store, **options)
        put(store)

        assert self.after_a_while(store, clock, worker) == set()

    def test_not_in_a_paused_queue(self, store, clock):
        worker = add_worker(store)
        put(store)
        with store.transaction() as tx:
            store.queues.change(tx, "default", paused=True)

        assert self.after_a_while(store, clock, worker) == set()

    def test_not_where_it_became_ready_just_now(self, store, clock):
        worker = add_worker(store)
        put(store, new("p", queue="p"), new(after=[-1]))
        resumed = make(store, "suspended")
        put(store, new(delay=60 * SECOND))
        clock.advance(61)
        end(store, *claim(store, queues=["p"], tasks=["p"]))
        act(store, "resume", resumed)
        with store.transaction() as tx:
            store.workers.beat(tx, worker, "running", store.now())

        assert broken(store) == set()


@pytest.mark.parametrize("aging", [None, 45.0])
def test_the_rank_of_an_aging_queue_is_understood(store, aging):
    with store.transaction() as tx:
        store.queues.change(tx, "default", aging=aging)
    _, asked = put(store, new(priority=7), new(priority=-3, delay=SECOND))
    act(store, "run_now", asked)

    assert broken(store) == set()


def test_facts_name_place_and_state(store, clock):
    put(store, new(delay=5 * SECOND))
    assert facts(store, store.now())["oldest_ready"] is None
    clock.advance(7)

    found = facts(store, store.now())

    assert (found["location"], found["oldest_ready"], found["faults"]) == (store.location, 2.0, [])
    assert found["size"] > 0
    assert found["clock"] > 0
    assert found["version"]
