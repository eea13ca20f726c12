"""Dependants that become ready while no other job is are claimed by the statement that releases them."""

from __future__ import annotations

import pytest
from tests.store.acts import SECOND, act, add_worker, claim, new, put, row, settled, status, statuses

from jobyard.model.messages import Ended
from jobyard.model.newjob import SUCCESS
from jobyard.store.jobs import json_text
from jobyard.store.release import Claim
from jobyard.store.settle import GuessedWrong, begin_settling


@pytest.fixture
def worker(store):
    return add_worker(store)


@pytest.fixture
def parent(store, worker):
    put(store)
    [claimed] = claim(store, worker=worker)
    return claimed


def below(parent, **options):
    return new(after=[(parent.id, SUCCESS)], **options)


def ended(store, worker, *items, limit=10, guessing=False):
    """These are written with a claim of what they release."""
    with store.transaction() as tx:
        wanted = Claim(worker, "default", json_text(["t"]), limit)
        settlement = begin_settling(tx, store.jobs, items, {}, "w", store.now(), guessing=guessing, claim=wanted)
        settlement.complete()
    return settlement


def end(store, worker, *rows, how=Ended.RETURNED, **options):
    """The ids of what was claimed when these ended."""
    settlement = ended(store, worker, *(settled(store, row, how) for row in rows), **options)
    return sorted(row.id for row in settlement.claimed)


def test_it_claims_as_any_claim_does(store, clock, worker, parent):
    [child] = put(store, below(parent, unique="a", unique_for="start"))
    clock.advance(3)

    assert end(store, worker, parent) == [child]
    claimed = row(store, child)
    assert (claimed.epoch, claimed.attempt, claimed.worker, claimed.started_at) == (1, 1, worker, store.now())
    assert (claimed.open_parents, claimed.unique_key, status(store, child)) == (0, None, "running")
    assert claim(store) == []


def test_the_row_is_that_which_is_stored(store, worker, parent):
    [child] = put(store, below(parent))

    assert ended(store, worker, settled(store, parent)).claimed == [row(store, child)]


def test_a_unique_key_that_is_held_until_the_end_stays(store, worker, parent):
    [child] = put(store, below(parent, unique="a", unique_for="finish"))

    assert end(store, worker, parent) == [child]
    assert row(store, child).unique_key == "a"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"queue": "other"}, "queued", id="in another queue"),
        pytest.param({"task": "u"}, "queued", id="of an unknown task"),
        pytest.param({"expires": 0}, "queued", id="expired just now"),
        pytest.param({"delay": 60 * SECOND}, "scheduled", id="due later"),
    ],
)
def test_what_the_worker_may_not_have_is_released_only(store, worker, parent, options, expected):
    fit, unfit = put(store, below(parent), below(parent, **options))

    assert end(store, worker, parent) == [fit]
    assert (status(store, unfit), row(store, unfit).epoch, row(store, unfit).open_parents) == (expected, 0, 0)


def test_a_suspended_dependant_stays_aside(store, worker, parent):
    [child] = put(store, below(parent))
    act(store, "suspend", child)

    assert end(store, worker, parent) == []
    assert (status(store, child), row(store, child).open_parents) == ("suspended", 0)


def test_one_that_was_canceled_meanwhile_stays_so(store, worker, parent):
    [child] = put(store, below(parent))
    act(store, "cancel", child)

    assert end(store, worker, parent) == []
    assert status(store, child) == "canceled"


def test_one_that_still_waits_for_another_goes_on_waiting(store, worker, parent):
    [other] = put(store)
    [child] = put(store, new(after=[(parent.id, SUCCESS), (other, SUCCESS)]))

    assert end(store, worker, parent) == []
    assert (status(store, child), row(store, child).open_parents) == ("waiting", 1)
    [claimed] = claim(store, worker=worker)
    assert end(store, worker, claimed) == [child]


def test_parents_that_end_together_release_it_once(store, worker, parent):
    put(store)
    [other] = claim(store, worker=worker)
    [child] = put(store, new(after=[(parent.id, SUCCESS), (other.id, SUCCESS)]))

    assert end(store, worker, parent, other) == [child]
    assert (row(store, child).epoch, row(store, child).open_parents) == (1, 0)


def test_jobs_that_are_ready_may_be_better_and_are_not_passed_over(store, worker, parent):
    [child] = put(store, below(parent))
    [ready] = put(store, new(priority=-5))

    assert end(store, worker, parent) == []
    assert [row.id for row in claim(store)] == [ready, child]


def test_neither_are_those_that_have_come_due_unnoticed(store, clock, worker, parent):
    [child] = put(store, below(parent))
    [late] = put(store, new(priority=-5, delay=SECOND))
    clock.advance(1)

    assert end(store, worker, parent) == []
    assert [row.id for row in claim(store)] == [late, child]


def test_ready_jobs_of_another_queue_are_no_hindrance(store, worker, parent):
    [child] = put(store, below(parent))
    put(store, new(queue="other"))

    assert end(store, worker, parent) == [child]


def test_never_more_than_the_limit(store, worker, parent):
    children = put(store, below(parent), below(parent), below(parent))

    assert end(store, worker, parent, limit=2) == []
    assert statuses(store, children) == ["queued"] * 3


def test_dependants_of_a_failure_end_with_it(store, worker, parent):
    broken, eager = put(store, below(parent), new(after=[(parent.id, 1 << 7)]))

    assert end(store, worker, parent, how=Ended.RAISED) == [eager]
    assert statuses(store, [broken, eager]) == ["failed", "running"]


def test_after_ends_of_two_kinds_everything_is_released(store, worker, parent):
    put(store)
    [other] = claim(store, worker=worker)
    children = put(store, below(parent), below(other))

    settlement = ended(store, worker, settled(store, parent), settled(store, other, Ended.SKIPPED))

    assert (settlement.claimed, settlement.ready) == ([], True)
    assert statuses(store, children) == ["queued", "queued"]


def test_the_start_of_a_definitions_job_is_noted(store, worker, parent):
    [child] = put(store, below(parent, definition="d"))

    assert end(store, worker, parent) == [child]
    with store.read() as tx:
        rows = tx.fetch("select kind, job, definition, machine from main.events where job = :job", {"job": child})
    assert rows == [("start", child, "d", "m")]


def test_a_guess_that_a_job_was_still_held_is_checked(store, worker, parent):
    [child] = put(store, below(parent))
    stale = row(store, parent.id)
    stale.epoch -= 1

    with pytest.raises(GuessedWrong):
        ended(store, worker, settled(store, stale), guessing=True)

    assert statuses(store, [parent.id, child]) == ["running", "waiting"]


def test_a_right_guess_is_as_good_as_knowing(store, worker, parent):
    [child] = put(store, below(parent))

    settlement = ended(store, worker, settled(store, parent), guessing=True)

    assert [item.row.id for item in settlement.done] == [parent.id]
    assert [row.id for row in settlement.claimed] == [child]
    assert statuses(store, [parent.id, child]) == ["succeeded", "running"]
