"""Storing new jobs: what comes back as it was given, and what takes the place of what."""

from __future__ import annotations

import msgspec
import pytest
from tests.store.acts import SECOND, act, claim, end, insert, make, new, put, row, status

from jobyard.errors import BadArguments, DependencyCycle, QueueClosed, UnknownJob
from jobyard.model.newjob import JobOptions, NewJob, NewOp, options_of
from jobyard.model.references import Ref
from jobyard.model.retry import Retry
from jobyard.model.rows import JobRow
from jobyard.store.filters import JobFilter, count_jobs


def total(store):
    with store.read() as tx:
        return count_jobs(tx, (), JobFilter(), store.now())[0][0]


def test_the_row_returned_is_the_row_stored(store):
    options = JobOptions(title="Größe", tags=("a", "b"), retry=Retry(3, delay=1.5), timeout=2.5)
    jobs = [
        new(),
        new(args='[["\\u0000 ü"]]', priority=-20, requester="ann", definition="d", options=options, expires=9 * SECOND),
        new(delay=SECOND, queue="q"),
        new(unique="k", unique_for=60.0),
        new(after=[-1]),
        new(ops=["a", "b"]),
    ]

    for stored in insert(store, *jobs):
        assert stored.row == row(store, stored.row.id)
        assert not stored.existing


@pytest.mark.parametrize(
    "job",
    [
        new(),
        new(args='[["ü"]]', priority=-20, requester="ann", definition="d", options=JobOptions(title="x")),
        new(delay=SECOND),
        new(queue="special"),
        new(queue="special", priority=3, delay=SECOND),
        new(unique="k"),
        new(token="x", expires=SECOND),
        new(ops=["a", "b"]),
    ],
)
def test_one_job_alone_is_stored_as_one_of_many(store, job):
    with store.transaction() as tx:
        store.queues.change(tx, "special", priority=-9, aging=7.5)

    alone = store.enqueue(job)

    assert alone.row == row(store, alone.row.id)
    assert not alone.existing

    if job.unique is None and job.token is None:
        [one_of_many] = insert(store, job)
        assert msgspec.structs.replace(one_of_many.row, id=alone.row.id) == alone.row


def test_a_drained_queue_takes_no_job_alone(store):
    with store.transaction() as tx:
        store.queues.change(tx, "q", drained=True)

    with pytest.raises(QueueClosed, match="'q' is drained"):
        store.enqueue(new(queue="q"))
    assert total(store) == 0


def test_a_new_row_has_begun_nothing(store):
    [id] = put(store, new(queue="q", args='[["x"]]'))

    found = row(store, id)

    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(
        JobRow(
            id=id, status=1, queue="q", task="t", rank=found.rank, priority=0, due=store.now(), epoch=0, attempt=0,
            failures=0, crashes=0, open_parents=0, cursor=0, op_count=1, worker=None, received_at=store.now(),
            started_at=None, exec_at=None, ended_at=None, machine=None, heartbeat=None, logtail=None, args='[["x"]]',
            refs=None, result=None, error=None, unique_key=None, unique_until=None, definition=None, requester=None,
            log_serial=0, expires=None, options=None,
        )
    )  # fmt: skip


def test_ops_come_back_in_order_with_their_own_priorities(store):
    [id] = put(store, NewJob([NewOp("a", "[1]"), NewOp("b", "[2]", priority=-3), NewOp("c", "[3]")], "default"))

    with store.read() as tx:
        ops = store.jobs.ops(tx, [id])[id]

    assert [(op.index, op.task, op.args, op.priority) for op in ops] == [
        (0, "a", "[1]", 0),
        (1, "b", "[2]", -3),
        (2, "c", "[3]", 0),
    ]
    assert (row(store, id).task, row(store, id).priority) == ("a", -3)


def test_ids_grow_and_come_back_in_the_order_given(store):
    first = put(store, *[new() for _ in range(5)])
    second = put(store, *[new(unique=str(n)) for n in range(5)])

    assert first + second == sorted(first + second)


def test_nothing_at_all_is_no_job(store):
    assert insert(store) == []


def test_all_are_stored_or_none(store):
    with pytest.raises(UnknownJob):
        put(store, new(), new(), new(after=[999]))

    assert total(store) == 0


def test_a_block_that_raises_stores_nothing(store):
    def broken_off(error):
        with store.transaction() as tx:
            store.jobs.insert(tx, [new()], store.now())
            raise error

    with pytest.raises(TimeoutError, match="mine"):
        broken_off(TimeoutError("mine"))

    assert total(store) == 0


def test_a_drained_queue_takes_nothing_until_it_is_opened(store):
    with store.transaction() as tx:
        store.queues.change(tx, "q", drained=True)

    with pytest.raises(QueueClosed, match="'q' is drained"):
        put(store, new(), new(queue="q"))
    assert total(store) == 0

    with store.transaction() as tx:
        store.queues.change(tx, "q", drained=False)
    assert len(put(store, new(queue="q"))) == 1


def test_the_options_of_a_queue_last(store):
    with store.transaction() as tx:
        store.queues.change(tx, "q", paused=True, retry=Retry(4), timeout=2.5, aging=30.0, priority=-2)
        store.queues.change(tx, "q", paused=False)

    with store.read() as tx:
        queue = store.queues.get(tx, "q")
        assert store.queues.all(tx) == {"q": queue}
    assert (queue.paused, queue.retry, queue.timeout, queue.aging, queue.priority) == (False, Retry(4), 2.5, 30.0, -2)


class TestTokens:
    def test_a_repeat_returns_the_first_job(self, store):
        [first] = insert(store, new(token="x"))
        [again] = insert(store, new("other", token="x"))

        assert (again.row.id, again.existing, again.row.task) == (first.row.id, True, "t")
        assert total(store) == 1

    def test_a_repeat_returns_it_also_after_it_ended(self, store):
        [id] = put(store, new(token="x"))
        end(store, *claim(store))

        [again] = insert(store, new(token="x"))

        assert (again.row.id, again.existing, again.row.status) == (id, True, 6)

    def test_twice_in_one_batch_is_one_job(self, store):
        one, two, other = insert(store, new(token="x"), new(token="x"), new(token="y"))

        assert (one.row.id, two.row.id) == (two.row.id, one.row.id)
        assert (one.existing, two.existing, other.existing) == (False, True, False)
        assert total(store) == 2

    def test_a_repeated_batch_is_stored_once(self, store):
        batch = [new(token="a"), new(token="b", after=[-1]), new(token="c", after=[-1, -2])]
        first = put(store, *batch)

        assert put(store, *batch) == first
        assert total(store) == 3

    def test_a_new_job_can_depend_on_an_existing_one_by_position(self, store):
        [parent] = put(store, new(token="a"))

        _, child = put(store, new(token="a"), new(after=[-1]))
        _, by_id = put(store, new(token="a"), new(after=[parent]))

        assert (status(store, child), status(store, by_id)) == ("waiting", "waiting")

    def test_a_job_may_depend_on_one_that_a_later_token_names(self, store):
        [parent] = put(store, new(token="a"))

        child, _ = put(store, new(after=[parent]), new(token="a"))

        assert status(store, child) == "waiting"

    def test_a_token_of_a_job_that_exists_by_its_unique_key_names_that_one(self, store):
        [holder] = put(store, new(unique="k"))

        [first] = insert(store, new(unique="k", token="x"))
        [again] = insert(store, new(unique="k", token="x"))

        assert first.row.id == again.row.id == holder


class TestUnique:
    def test_while_an_unfinished_job_has_the_key_it_is_returned(self, store):
        [first] = insert(store, new(unique="k"))
        [again] = insert(store, new("other", unique="k", priority=5))

        assert (again.row, again.existing) == (first.row, True)
        assert total(store) == 1

    @pytest.mark.parametrize("state", ["scheduled", "queued", "waiting", "suspended", "running", "canceling"])
    def test_every_unfinished_status_holds_the_key(self, store, state):
        holder = make(store, state, unique="k")

        assert put(store, new(unique="k")) == [holder]

    @pytest.mark.parametrize("state", ["succeeded", "failed", "skipped", "canceled"])
    def test_every_end_lets_it_go(self, store, state):
        holder = make(store, state, unique="k")

        assert put(store, new(unique="k")) != [holder]

    def test_two_equal_keys_in_one_batch_are_one_job(self, store):
        one, two, other = insert(store, new(unique="k"), new(unique="k"), new(unique="l"))

        assert (one.existing, two.existing, other.existing) == (False, True, False)
        assert two.row.id == one.row.id != other.row.id

    def test_a_position_that_points_at_an_existing_job_means_that_one(self, store):
        [holder] = put(store, new(unique="k"))

        _, child = put(store, new(unique="k"), new(after=[-1]))

        with store.read() as tx:
            assert [parent for parent, *_ in store.jobs.parents(tx, child)] == [holder]

    def test_until_the_start_the_key_holds_and_no_longer(self, store):
        [first] = put(store, new(unique="k", unique_for="start"))
        assert put(store, new(unique="k", unique_for="start")) == [first]
        claim(store)

        [second] = put(store, new(unique="k", unique_for="start"))

        assert second != first

    def test_a_key_let_go_at_the_start_is_not_retaken_by_a_hand_back(self, store):
        put(store, new(unique="k", unique_for="start"))
        [claimed] = claim(store)
        end(store, claimed, "drained")

        assert row(store, claimed.id).unique_key is None
        assert put(store, new(unique="k")) != [claimed.id]

    def test_a_duration_holds_it_past_the_end_and_no_longer(self, store, clock):
        [first] = put(store, new(unique="k", unique_for=60.0))
        end(store, *claim(store))
        clock.advance(59)
        assert put(store, new(unique="k", unique_for=60.0)) == [first]

        clock.advance(1)
        [second] = put(store, new(unique="k", unique_for=60.0))

        assert second != first

    def test_a_duration_lets_go_of_an_unfinished_job(self, store, clock):
        [first] = put(store, new(unique="k", unique_for=60.0))
        clock.advance(60)

        assert put(store, new(unique="k")) != [first]
        assert row(store, first).unique_key is None

    def test_the_options_remember_the_key(self, store):
        [id] = put(store, new(unique="k", unique_for="start", options=JobOptions(title="x")))
        claim(store)

        options = options_of(row(store, id).options)

        assert (options.unique, options.unique_for, options.title) == ("k", "start", "x")

    @pytest.mark.parametrize("state", ["succeeded", "failed", "skipped", "canceled"])
    def test_a_retry_takes_the_key_again(self, store, state):
        holder = make(store, state, unique="k")

        act(store, "retry", holder)

        assert put(store, new(unique="k")) == [holder]


class TestPositions:
    def test_minus_n_is_the_nth_before(self, store):
        a, b, c = put(store, new(), new(), new(after=[-1, -2]))

        with store.read() as tx:
            assert [parent for parent, *_ in store.jobs.parents(tx, c)] == [a, b]

    @pytest.mark.parametrize("jobs", [[new(after=[-1])], [new(), new(after=[-2])], [new(), new(), new(after=[-9])]])
    def test_before_the_first_is_refused(self, store, jobs):
        with pytest.raises(BadArguments, match=f"number {len(jobs)}"):
            put(store, *jobs)

        assert total(store) == 0

    def test_references_become_absolute(self, store):
        op = NewOp("t", "[[null]]", [Ref([0], job=-1), Ref([1], op=0)])
        parent, child = put(store, new(), NewJob([op], "default"))

        refs = msgspec.json.decode(row(store, child).refs, type=list[Ref])

        assert refs == [Ref([0], job=parent), Ref([1], op=0)]
        assert status(store, child) == "waiting"

    def test_a_result_as_argument_needs_success(self, store):
        parent, child = put(store, new(), NewJob([NewOp("t", "[[null]]", [Ref([0], job=-1)])], "default"))

        end(store, *claim(store), ended="skipped")

        assert (status(store, parent), status(store, child)) == ("skipped", "failed")

    @pytest.mark.parametrize("ahead", [1, 2])
    def test_a_job_cannot_wait_for_itself_or_a_later_one(self, store, ahead):
        [last] = put(store)

        with pytest.raises(DependencyCycle, match=f"job {last + ahead} would wait"):
            put(store, new(after=[last + ahead]), new())

        assert total(store) == 1

    @pytest.mark.parametrize("id", [0, 10**6, 2**62])
    def test_a_job_that_does_not_exist_is_refused_by_its_id(self, store, id):
        with pytest.raises(UnknownJob, match=f"job {id} "):
            put(store, new(after=[id]))
