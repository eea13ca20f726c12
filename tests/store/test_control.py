"""What people do to a job: every action in every status."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, act, claim, end, make, new, put, row, status

from jobyard.errors import BadArguments, InvalidTransition, UnknownJob
from jobyard.model.newjob import NewJob, NewOp, options_of
from jobyard.model.ranking import is_requested
from jobyard.model.states import FINAL, STATUSES
from jobyard.store.events import EventFilter

ALL = [s.value for s in STATUSES]
AFTER = {
    "cancel": {
        "scheduled": "canceled",
        "queued": "canceled",
        "waiting": "canceled",
        "suspended": "canceled",
        "running": "canceling",
    },
    "suspend": dict.fromkeys(["scheduled", "queued", "waiting"], "suspended"),
    "resume": {"suspended": "queued"},
    "retry": dict.fromkeys([s.value for s in STATUSES if s in FINAL], "queued"),
    "run_now": {"scheduled": "queued", "queued": "queued"},
}
"""The status after each action; a status that is missing refuses it."""
ALLOWED = [(action, state, after) for action, states in AFTER.items() for state, after in states.items()]
REFUSED = [(action, state) for action, states in AFTER.items() for state in ALL if state not in states]
RAISES = [(action, state) for action, state in REFUSED if action != "cancel"]
GOAL = {"suspend": "suspended", "resume": "resumed", "retry": "retried", "run_now": "run now"}


def events(store, id):
    with store.read() as tx:
        return [(event.kind, event.user) for event in store.events.find(tx, EventFilter(job=id))]


def test_the_table_covers_every_status():
    assert {s for _, s, _ in ALLOWED} | {s for _, s in REFUSED} == set(ALL)
    assert len(ALLOWED) + len(REFUSED) == len(AFTER) * len(ALL)


@pytest.mark.parametrize(("action", "state", "after"), ALLOWED)
def test_an_allowed_action_moves_the_job_and_is_an_event(store, action, state, after):
    id = make(store, state)

    act(store, action, id)

    kind = {"run_now": "request"}.get(action, action)
    assert status(store, id) == after
    assert events(store, id)[0] == (kind, "ann")


@pytest.mark.parametrize(("action", "state"), RAISES)
def test_a_refused_action_names_both_and_writes_nothing(store, action, state):
    id = make(store, state)
    before, before_events = row(store, id), events(store, id)

    with pytest.raises(InvalidTransition, match=f"job {id} is {state}") as refused:
        act(store, action, id)

    assert GOAL[action] in str(refused.value)
    assert (row(store, id), events(store, id)) == (before, before_events)


@pytest.mark.parametrize("state", [state for action, state in REFUSED if action == "cancel"])
def test_a_refused_cancel_says_so_and_writes_nothing(store, state):
    id = make(store, state)
    before, before_events = row(store, id), events(store, id)

    done, text, effect = act(store, "cancel", id)

    assert not done
    assert text == ("already canceling" if state == "canceling" else f"job {id} is already {state}")
    assert (effect.ready, effect.asked, effect.ended) == (False, False, [])
    assert (row(store, id), events(store, id)) == (before, before_events)


@pytest.mark.parametrize("action", [*AFTER, "change_priority"])
def test_an_unknown_job_is_named(store, action):
    with pytest.raises(UnknownJob, match="no job 77"):
        act(store, action, 77, *([3] if action == "change_priority" else []))


class TestCancel:
    @pytest.mark.parametrize("state", ["scheduled", "queued", "waiting", "suspended"])
    def test_before_the_start_it_is_the_end(self, store, state):
        id = make(store, state)

        done, text, effect = act(store, "cancel", id)

        found = row(store, id)
        assert (done, text) == (True, f"job {id} canceled")
        assert [ended.id for ended in effect.ended] == [id]
        assert (found.ended_at, found.attempt) == (store.now(), 0)

    def test_a_running_job_is_asked_of_its_worker(self, store):
        put(store)
        [claimed] = claim(store, worker=7)

        done, _, effect = act(store, "cancel", claimed.id)

        with store.read() as tx:
            [request] = store.requests.ask_open_for(tx, 7)()
        assert (done, effect.asked) == (True, True)
        assert (request.kind, request.job, request.epoch) == ("cancel", claimed.id, claimed.epoch)

    def test_a_canceled_job_is_never_claimed(self, store):
        [id] = put(store)
        act(store, "cancel", id)

        assert claim(store) == []


class TestSuspend:
    def test_the_reason_names_who_did_it(self, store):
        [id] = put(store)

        act(store, "suspend", id)
        assert options_of(row(store, id).options).suspended == "suspended by ann"

        act(store, "resume", id)
        assert options_of(row(store, id).options).suspended is None

    def test_it_comes_back_to_where_clock_and_dependencies_put_it(self, store, clock):
        later, waiting = make(store, "scheduled"), make(store, "waiting")
        act(store, "suspend", later)
        act(store, "suspend", waiting)

        act(store, "resume", later)
        act(store, "resume", waiting)

        assert (status(store, later), status(store, waiting)) == ("scheduled", "waiting")

    def test_its_due_may_come_meanwhile(self, store, clock):
        id = make(store, "scheduled")
        act(store, "suspend", id)
        clock.advance(7200)
        assert claim(store) == []

        act(store, "resume", id)

        assert status(store, id) == "queued"


class TestPriority:
    @pytest.mark.parametrize("state", ["scheduled", "queued", "waiting", "suspended"])
    def test_it_changes_while_nothing_has_begun(self, store, state):
        id = make(store, state)

        done, text, effect = act(store, "change_priority", id, -7)

        assert (done, effect.ready, row(store, id).priority) == (True, True, -7)
        assert "-7" in text
        assert events(store, id)[0] == ("priority", "ann")
        assert status(store, id) == state

    @pytest.mark.parametrize("state", ["running", "canceling", "succeeded", "failed", "skipped", "canceled"])
    def test_afterwards_it_is_refused(self, store, state):
        id = make(store, state)
        before, before_events = row(store, id), events(store, id)

        done, text, _ = act(store, "change_priority", id, -7)

        assert not done
        assert f"job {id}" in text
        assert (row(store, id), events(store, id)) == (before, before_events)

    def test_a_running_job_changes_the_ops_that_have_not_begun(self, store):
        [id] = put(store, NewJob([NewOp("a", "[]"), NewOp("b", "[]")], "default"))
        [claimed] = claim(store, tasks="ab")

        done, _, _ = act(store, "change_priority", id, 9)

        with store.read() as tx:
            assert [op.priority for op in store.jobs.ops(tx, [id])[id]] == [0, 9]
        assert (done, row(store, id).priority, status(store, id)) == (True, 0, "running")
        end(store, claimed)
        assert row(store, id).priority == 9

    def test_claims_follow_it(self, store):
        first, second = put(store, new(), new())

        act(store, "change_priority", second, -1)

        assert [row.id for row in claim(store)] == [second, first]

    @pytest.mark.parametrize("priority", [-21, 20])
    def test_outside_the_range_it_is_refused(self, store, priority):
        [id] = put(store)

        with pytest.raises(BadArguments, match=str(priority)):
            act(store, "change_priority", id, priority)


class TestRunNow:
    def test_a_scheduled_job_becomes_due_ahead_of_the_others(self, store):
        waiting = put(store)[0]
        asked = make(store, "scheduled")

        act(store, "run_now", asked)

        assert row(store, asked).due == store.now()
        assert [row.id for row in claim(store)] == [asked, waiting]

    def test_an_earlier_due_is_kept(self, store, clock):
        [id] = put(store)
        before = row(store, id).due
        clock.advance(5)

        act(store, "run_now", id)

        assert row(store, id).due == before

    @pytest.mark.parametrize("aging", [None, 60.0])
    def test_the_request_survives_a_change_of_priority(self, store, aging):
        with store.transaction() as tx:
            store.queues.change(tx, "default", aging=aging)
        [id] = put(store)
        act(store, "run_now", id)

        act(store, "change_priority", id, 4)

        found = row(store, id)
        assert is_requested(found.rank, found.priority, found.due, aging=aging)


class TestRetry:
    def test_it_starts_over_with_a_full_set_of_attempts(self, store, clock):
        id = make(store, "failed")
        ended = row(store, id)
        clock.advance(60)

        act(store, "retry", id)

        found = row(store, id)
        assert (found.failures, found.crashes, found.error, found.result) == (0, 0, None, None)
        assert (found.ended_at, found.worker, found.due) == (None, None, store.now())
        assert (found.attempt, found.epoch) == (1, ended.epoch + 1)

    def test_the_attempt_before_is_kept(self, store):
        id = make(store, "failed")

        act(store, "retry", id)

        with store.read() as tx:
            [attempt] = store.jobs.attempts(tx, id)
        assert (attempt.number, attempt.outcome) == (1, "failed")
        [again] = claim(store, queues=["of failed"])
        assert again.attempt == 2

    def test_finished_ops_are_not_run_again(self, store):
        [id] = put(store, new(ops=["a", "b"]))
        [claimed] = claim(store, tasks="ab")
        end(store, claimed, result='"a"')
        end(store, claimed, "raised", error='"e"')

        act(store, "retry", id)

        with store.read() as tx:
            first, second = store.jobs.ops(tx, [id])[id]
        assert (row(store, id).cursor, row(store, id).task) == (1, "b")
        assert (first.result, second.error, second.ended_at) == ('"a"', None, None)

    def test_a_succeeded_job_runs_all_its_ops_again(self, store):
        [id] = put(store, new(ops=["a", "b"]))
        [claimed] = claim(store, tasks="ab")
        end(store, claimed)
        end(store, claimed, result='"b"')

        act(store, "retry", id)

        with store.read() as tx:
            assert [op.result for op in store.jobs.ops(tx, [id])[id]] == [None, None]
        assert (row(store, id).cursor, row(store, id).task) == (0, "a")

    def test_it_is_refused_while_another_job_has_its_key(self, store):
        id = make(store, "failed", unique="k")
        [holder] = put(store, new(unique="k"))
        before = row(store, id)

        with pytest.raises(InvalidTransition, match=f"job {id} .*'k'.* job {holder}"):
            act(store, "retry", id)

        assert row(store, id) == before

    def test_a_key_that_has_run_out_is_no_obstacle(self, store, clock):
        id = make(store, "failed", unique="k")
        [holder] = put(store, new(unique="k", unique_for=60.0))
        clock.advance(61)

        act(store, "retry", id)

        assert (row(store, id).unique_key, row(store, holder).unique_key) == ("k", None)

    def test_the_late_outcome_of_the_run_before_is_refused(self, store):
        put(store)
        [claimed] = claim(store)
        end(store, claimed, "raised")
        act(store, "retry", claimed.id)
        claim(store)

        assert end(store, claimed).stale != []


class TestMarkUnfinished:
    @pytest.mark.parametrize("state", ["running", "queued", "waiting"])
    def test_a_job_is_ended_from_outside(self, store, state):
        id = make(store, state)
        before = row(store, id)
        final = "canceled" if state == "queued" else "failed"

        effect = act(store, "mark_unfinished", id, STATUSES[7] if final == "failed" else STATUSES[9], '"r"')

        found = row(store, id)
        assert (status(store, id), found.result, found.epoch) == (final, '"r"', before.epoch + 1)
        assert effect.asked is (state == "running")
        assert [ended.id for ended in effect.ended] == [id]

    def test_the_worker_that_runs_it_is_fenced(self, store):
        put(store)
        [claimed] = claim(store, worker=7)

        act(store, "mark_unfinished", claimed.id, STATUSES[7], None)

        assert end(store, claimed).stale != []
        with store.read() as tx:
            assert [request.kind for request in store.requests.ask_open_for(tx, 7)()] == ["lost"]

    def test_only_final_statuses_mark(self, store):
        [id] = put(store)

        with pytest.raises(InvalidTransition, match="running"):
            act(store, "mark_unfinished", id, STATUSES[4], None)

    def test_what_the_table_does_not_allow_is_refused(self, store):
        [id] = put(store)

        with pytest.raises(InvalidTransition, match="queued and cannot become succeeded"):
            act(store, "mark_unfinished", id, STATUSES[6], None)
        assert status(store, id) == "queued"

    def test_an_ended_job_is_left_alone(self, store):
        id = make(store, "succeeded")
        before = row(store, id)

        act(store, "mark_unfinished", id, STATUSES[7], '"r"')

        assert row(store, id) == before


def test_a_job_due_meanwhile_is_suspended_as_a_queued_one(store, clock):
    [id] = put(store, new(delay=SECOND))
    clock.advance(2)

    act(store, "suspend", id)

    assert status(store, id) == "suspended"
