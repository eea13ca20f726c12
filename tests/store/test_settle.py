"""What a worker reports becomes of its jobs, and what is refused."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, act, claim, end, new, put, row, settle_all, settled, status, statuses

from jobyard.model.messages import Ended
from jobyard.model.newjob import SUCCESS, NewJob, NewOp, accepted_bits, options_of
from jobyard.model.ranking import is_requested
from jobyard.model.retry import Retry
from jobyard.store.settle import begin_settling


def ops(store, id):
    with store.read() as tx:
        return store.jobs.ops(tx, [id])[id]


def attempts(store, id):
    with store.read() as tx:
        return store.jobs.attempts(tx, id)


def one(store, **options):
    put(store, new(**options))
    return claim(store)[0]


ENDS = {
    "returned": "succeeded",
    "raised": "failed",
    "timeout": "failed",
    "retry": "failed",
    "skipped": "skipped",
    "canceled": "canceled",
    "suspended": "suspended",
    "unfit": "suspended",
    "drained": "queued",
    "unknown": "queued",
    "crashed": "queued",
}


@pytest.mark.parametrize(("how", "expected"), ENDS.items())
def test_each_end_gives_its_status(store, clock, how, expected):
    claimed = one(store)
    clock.advance(5)

    settlement = end(store, claimed, how, result='"r"')

    found = row(store, claimed.id)
    assert status(store, claimed.id) == expected
    assert [item.row.id for item in settlement.done] == [claimed.id]
    assert (settlement.stale, settlement.canceling) == ([], [])
    if expected in ("succeeded", "failed", "skipped", "canceled"):
        assert (found.ended_at, found.epoch, found.worker) == (store.now(), claimed.epoch, claimed.worker)
    else:
        assert (found.ended_at, found.epoch, found.worker) == (None, claimed.epoch + 1, None)


@pytest.mark.parametrize(("how", "expected"), ENDS.items())
def test_a_canceling_job_ends_and_never_goes_back(store, how, expected):
    put(store)
    [claimed] = claim(store)
    act(store, "cancel", claimed.id)

    settlement = end(store, row(store, claimed.id), how)

    assert status(store, claimed.id) == {"returned": "succeeded", "raised": "failed"}.get(how, "canceled")
    assert [item.row.id for item in settlement.done] == [claimed.id]


@pytest.mark.parametrize("how", sorted({"skipped", "timeout", "suspended", "drained", "crashed", "retry", "unfit"}))
def test_what_was_decided_for_a_running_job_is_decided_again_if_it_is_canceling(store, how):
    put(store)
    [claimed] = claim(store)
    act(store, "cancel", claimed.id)

    settlement = end(store, claimed, how, retry=Retry(5))

    assert [item.row.id for item in settlement.canceling] == [claimed.id]
    assert status(store, claimed.id) == "canceling"


@pytest.mark.parametrize("how", ENDS)
def test_a_stale_epoch_changes_nothing(store, how):
    late = one(store)
    end(store, late, "crashed")
    [current] = claim(store, worker=2)
    before = row(store, late.id)

    settlement = end(store, late, how, result='"late"')

    assert row(store, late.id) == before == current
    assert [item.row.id for item in settlement.stale] == [late.id]
    assert settlement.done == []


@pytest.mark.parametrize("how", ENDS)
def test_a_job_that_went_back_is_no_longer_held(store, how):
    late = one(store)
    end(store, late, "drained")
    before = row(store, late.id)

    settlement = end(store, late, how)

    assert row(store, late.id) == before
    assert [item.row.id for item in settlement.stale] == [late.id]


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("first", ["returned", "raised", "skipped", "canceled"])
def test_an_end_is_final(store, first, how):
    claimed = one(store)
    end(store, claimed, first, result='"first"')
    before = row(store, claimed.id)

    settlement = end(store, claimed, how, result='"second"')

    assert row(store, claimed.id) == before
    assert [item.row.id for item in settlement.stale] == [claimed.id]


def test_one_stale_outcome_leaves_the_others_of_its_batch_alone(store):
    put(store, *[new() for _ in range(6)])
    rows = claim(store)
    end(store, rows[0], "drained")
    end(store, rows[1])

    settlement = settle_all(
        store,
        settled(store, rows[0], "crashed"),
        settled(store, rows[1], "raised"),
        settled(store, rows[2]),
        settled(store, rows[3], "raised"),
        settled(store, rows[4], "drained"),
        settled(store, rows[5], "crashed"),
    )

    assert sorted(item.row.id for item in settlement.stale) == [rows[0].id, rows[1].id]
    assert sorted(item.row.id for item in settlement.done) == [row.id for row in rows[2:]]
    assert statuses(store, [r.id for r in rows]) == ["queued", "succeeded", "succeeded", "failed", "queued", "queued"]
    assert row(store, rows[0].id).crashes == 0


def test_result_error_and_times_are_kept(store, clock):
    good = one(store)
    bad = one(store)
    began = store.now() + 7
    clock.advance(3)

    settle_all(
        store, settled(store, good, result='"r"', began=began), settled(store, bad, "raised", error='"e"', result="1")
    )

    found = row(store, good.id)
    assert (found.result, found.error, found.exec_at, found.ended_at) == ('"r"', None, began, store.now())
    assert (row(store, bad.id).result, row(store, bad.id).error) == (None, '"e"')


def test_a_failure_with_attempts_left_comes_back_after_its_delay(store, clock):
    claimed = one(store)

    settlement = end(store, claimed, "raised", retry=Retry(3, delay=10, jitter=0), error='"e"')

    found = row(store, claimed.id)
    assert (status(store, claimed.id), found.due, found.failures) == ("scheduled", store.now() + 10 * SECOND, 1)
    assert not settlement.ready
    [attempt] = attempts(store, claimed.id)
    assert (attempt.number, attempt.worker, attempt.outcome, attempt.error) == (1, "w", "failed", '"e"')
    clock.advance(10)
    [again] = claim(store)
    assert (again.attempt, again.failures) == (2, 1)


def test_the_last_attempt_fails(store):
    put(store)
    for _ in range(3):
        [claimed] = claim(store)
        end(store, claimed, "raised", retry=Retry(3, delay=0))

    assert status(store, claimed.id) == "failed"
    assert [attempt.number for attempt in attempts(store, claimed.id)] == [1, 2]
    assert row(store, claimed.id).attempt == 3


@pytest.mark.parametrize("how", ["drained", "suspended", "unknown", "unfit"])
def test_what_spends_no_attempt_takes_its_number_back(store, how):
    claimed = one(store)

    end(store, claimed, how)

    found = row(store, claimed.id)
    assert (claimed.attempt, found.attempt, found.failures, found.crashes) == (1, 0, 0, 0)
    assert attempts(store, claimed.id) == []


def test_a_job_put_aside_says_why(store):
    claimed = one(store)
    item = settled(store, claimed, "unfit", error='"e"')
    item.suspended = "parameter n is missing"

    settle_all(store, item)

    assert options_of(row(store, claimed.id).options).suspended == "parameter n is missing"


def test_a_hand_back_keeps_the_place_in_line(store):
    first, second = put(store, new(), new())
    [claimed] = claim(store, limit=1)

    end(store, claimed, "drained")

    assert [row.id for row in claim(store)] == [first, second]


def test_a_requested_job_is_automatic_again_after_a_failure(store):
    [id] = put(store)
    act(store, "run_now", id)
    [claimed] = claim(store)
    assert is_requested(claimed.rank, claimed.priority, claimed.due)

    end(store, claimed, "raised", retry=Retry(3))

    found = row(store, id)
    assert not is_requested(found.rank, found.priority, found.due)


class TestOps:
    def claimed(self, store):
        listed = [NewOp("a", "[]", priority=2), NewOp("b", "[]", priority=-4), NewOp("c", "[]", priority=9)]
        [self.id] = put(store, NewJob(listed, "default"))
        [row] = claim(store, tasks="abc")
        return row

    def test_an_op_that_returned_hands_over_to_the_next(self, store, clock):
        claimed = self.claimed(store)
        began = store.now()
        clock.advance(2)

        settlement = end(store, claimed, result='"a"', began=began)

        found = row(store, self.id)
        assert (status(store, self.id), found.cursor, found.task, found.priority) == ("running", 1, "b", -4)
        assert (claimed.cursor, claimed.task, claimed.epoch) == (1, "b", found.epoch)
        first, *_ = ops(store, self.id)
        assert (first.result, first.exec_at, first.ended_at) == ('"a"', began, store.now())
        assert [item.row.id for item in settlement.done] == [self.id]

    def test_the_priority_is_the_least_of_the_unfinished(self, store):
        claimed = self.claimed(store)
        seen = [claimed.priority]
        for _ in range(2):
            end(store, claimed)
            seen.append(row(store, self.id).priority)

        assert seen == [-4, -4, 9]

    def test_the_last_op_ends_the_job(self, store):
        claimed = self.claimed(store)
        for result in ('"a"', '"b"', '"c"'):
            end(store, claimed, result=result)

        assert status(store, self.id) == "succeeded"
        assert row(store, self.id).result == '"c"'
        assert [op.result for op in ops(store, self.id)] == ['"a"', '"b"', '"c"']

    def test_a_retry_goes_on_with_the_op_that_failed(self, store, clock):
        claimed = self.claimed(store)
        end(store, claimed, result='"a"')
        end(store, claimed, "raised", retry=Retry(2, delay=1))
        clock.advance(2)

        [again] = claim(store, tasks="abc")

        assert (again.cursor, again.task, again.attempt) == (1, "b", 2)
        assert [op.result for op in ops(store, self.id)] == ['"a"', None, None]

    def test_a_failed_op_has_the_error(self, store):
        claimed = self.claimed(store)
        end(store, claimed)
        end(store, claimed, "raised", error='"e"')

        assert status(store, self.id) == "failed"
        assert [op.error for op in ops(store, self.id)] == [None, '"e"', None]

    @pytest.mark.parametrize("how", ["returned", "raised"])
    def test_a_stale_run_moves_no_cursor(self, store, how):
        claimed = self.claimed(store)
        end(store, claimed, "drained")
        before, before_ops = row(store, self.id), ops(store, self.id)

        settlement = end(store, claimed, how, result='"late"')

        assert (row(store, self.id), ops(store, self.id)) == (before, before_ops)
        assert [item.row.id for item in settlement.stale] == [self.id]

    def test_an_op_is_done_once(self, store):
        claimed = self.claimed(store)
        twice = settled(store, row(store, self.id), result='"again"')
        end(store, claimed, result='"a"')

        settlement = settle_all(store, twice)

        assert row(store, self.id).cursor == 1
        assert [op.result for op in ops(store, self.id)] == ['"a"', None, None]
        assert settlement.stale == [twice]

    def test_canceled_between_two_ops_it_keeps_the_first_result(self, store):
        claimed = self.claimed(store)
        act(store, "cancel", self.id)
        end(store, claimed, result='"a"')

        end(store, row(store, self.id), "canceled")

        found = row(store, self.id)
        assert (status(store, self.id), found.cursor) == ("canceled", 1)
        assert [op.result for op in ops(store, self.id)] == ['"a"', None, None]

    def test_what_the_task_committed_itself_is_not_written_again(self, store):
        claimed = self.claimed(store)
        held = row(store, self.id)
        end(store, claimed, result='"committed"')

        settlement = settle_all(store, settled(store, held, result='"returned"', finished_by_user=True))

        assert [item.row.id for item in settlement.committed] == [self.id]
        assert (settlement.done, settlement.stale) == ([], [])
        assert (held.cursor, held.task) == (1, "b")
        assert [op.result for op in ops(store, self.id)] == ['"committed"', None, None]

    def test_after_a_rollback_the_ordinary_outcome_counts(self, store):
        claimed = self.claimed(store)

        settlement = settle_all(store, settled(store, claimed, result='"returned"', finished_by_user=True))

        assert [item.row.id for item in settlement.done] == [self.id]
        assert row(store, self.id).cursor == 1


@pytest.mark.parametrize("how", ["returned", "raised"])
def test_an_end_committed_by_the_task_stands_whatever_it_does_next(store, how):
    claimed = one(store)
    end(store, claimed, result='"committed"')

    settlement = settle_all(store, settled(store, claimed, how, finished_by_user=True, result='"r"', error='"e"'))

    assert [item.row.id for item in settlement.committed] == [claimed.id]
    assert (status(store, claimed.id), row(store, claimed.id).result) == ("succeeded", '"committed"')


def test_jobs_are_ready_for_the_claim_before_a_settlement_is_complete(store):
    """Whatever their parents ended as, in one batch."""
    good, bad = put(store, new(), new())
    [child] = put(store, new(after=[(good, SUCCESS), (bad, accepted_bits({"succeeded", "failed"}))]))
    items = [settled(store, row, how) for row, how in zip(claim(store), (Ended.RETURNED, Ended.RAISED), strict=True)]
    now = store.now()

    with store.transaction() as tx:
        settlement = begin_settling(tx, store.jobs, items, {}, "w", now)
        claimed = store.jobs.ask_claim(tx, ["default"], tasks='["t"]', worker=1, limit=9, now=now)()
        settlement.complete()

    assert [row.id for row in claimed] == [child]
    assert settlement.ready
