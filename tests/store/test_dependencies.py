"""Jobs that wait for others."""

from __future__ import annotations

import pytest
from tests.store.acts import (
    SECOND,
    act,
    claim,
    counted,
    end,
    make,
    new,
    put,
    row,
    settle_all,
    settled,
    status,
    statuses,
)

from jobyard.model.newjob import SUCCESS, accepted_bits
from jobyard.model.states import FINAL, UNFINISHED, Status

ENDS = sorted(FINAL)
ACCEPTED = [accepted_bits({s}) for s in ENDS] + [SUCCESS, accepted_bits(FINAL)]


def expected(end, accepted):
    if end in UNFINISHED:
        return "waiting"
    if accepted & accepted_bits({end}):
        return "queued"
    return "canceled" if end == "canceled" else "failed"


def parents(store, id):
    with store.read() as tx:
        return store.jobs.parents(tx, id)


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("state", [*sorted(UNFINISHED), *ENDS])
def test_an_edge_decides_at_once_by_the_status_of_the_parent(store, state, accepted):
    parent = make(store, state)

    [child] = put(store, new(after=[(parent, accepted)]))

    assert status(store, child) == expected(Status(state), accepted)


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("ended", ENDS)
def test_it_decides_alike_when_the_parent_ends_later(store, ended, accepted):
    parent = put(store, new(queue="of the parent"))[0]
    child, grandchild = put(store, new(after=[(parent, accepted)]), new(after=[-1]))
    claimed = claim(store, queues=["of the parent"])[0]
    how = {"succeeded": "returned", "failed": "raised", "skipped": "skipped", "canceled": "canceled"}[ended]

    settlement = end(store, claimed, how)

    assert status(store, parent) == ended
    assert status(store, child) == expected(Status(ended), accepted)
    broken = {"queued": "waiting"}
    assert status(store, grandchild) == broken.get(status(store, child), status(store, child))
    assert settlement.ready is (status(store, child) == "queued")
    assert [row.id for row in settlement.ended] == ([] if settlement.ready else [child, grandchild])


def test_a_failed_dependant_says_which_parent_ended_how(store):
    parent, child = put(store, new("the task"), new(after=[-1]))

    end(store, *claim(store, tasks=["the task"]), ended="raised")

    text = row(store, child).error
    assert f"job {parent}" in text
    assert "failed, not skipped or succeeded" in text


def test_the_last_of_several_parents_wakes(store):
    a, b, child = put(store, new(), new(), new(after=[-1, -2]))
    first, second = claim(store)
    end(store, first)
    assert status(store, child) == "waiting"

    end(store, second)

    assert status(store, child) == "queued"
    assert [(parent, is_open) for parent, _, is_open, *_ in parents(store, child)] == [(a, 0), (b, 0)]


def test_parents_that_end_together_wake_once(store):
    *_, child = put(store, new(), new(), new(after=[-1, -2]))

    settle_all(store, *[settled(store, row) for row in claim(store)])

    assert (status(store, child), row(store, child).open_parents) == ("queued", 0)


def test_of_parents_that_end_together_one_can_break_the_child(store):
    *_, child = put(store, new(), new(), new(after=[-1, -2]))
    good, bad = claim(store)

    settle_all(store, settled(store, good), settled(store, bad, "raised"))

    assert status(store, child) == "failed"


def test_the_same_parent_twice_must_satisfy_both(store):
    parent = put(store)[0]
    [child] = put(store, new(after=[(parent, accepted_bits(FINAL)), (parent, accepted_bits({"failed"}))]))

    end(store, *claim(store))

    assert status(store, child) == "failed"


def test_a_woken_job_whose_due_is_ahead_is_scheduled(store, clock):
    _, child = put(store, new(), new(after=[-1], delay=60 * SECOND))
    assert status(store, child) == "waiting"

    end(store, *claim(store))

    assert status(store, child) == "scheduled"
    clock.advance(60)
    assert [row.id for row in claim(store)] == [child]


def test_an_open_dependency_goes_before_the_clock(store, clock):
    _, child = put(store, new(queue="other"), new(after=[-1], delay=60 * SECOND))
    clock.advance(61)

    assert claim(store) == []
    assert status(store, child) == "waiting"


def test_an_end_cascades_through_all_that_wait(store):
    chain = put(store, new(), *[new(after=[-1]) for _ in range(20)])

    act(store, "cancel", chain[0])

    assert statuses(store, chain) == ["canceled"] * 21


def test_a_cascade_goes_around_those_that_accept(store):
    _, child, accepting, last = put(
        store, new(), new(after=[-1]), new(after=[(-1, accepted_bits({"failed"}))]), new(after=[-1])
    )

    end(store, *claim(store), ended="raised")

    assert statuses(store, [child, accepting, last]) == ["failed", "queued", "waiting"]


def test_a_suspended_child_stays_aside_and_is_decided_when_resumed(store):
    _, good, bad = put(store, new(queue="p"), new(after=[-1]), new(after=[(-2, accepted_bits({"failed"}))]))
    act(store, "suspend", good)
    act(store, "suspend", bad)
    end(store, *claim(store, queues=["p"]))
    assert statuses(store, [good, bad]) == ["suspended", "suspended"]

    act(store, "resume", good)
    act(store, "resume", bad)

    assert statuses(store, [good, bad]) == ["queued", "failed"]


def test_a_canceled_parent_cancels_a_suspended_child(store):
    parent, child = put(store, new(), new(after=[-1]))
    act(store, "suspend", child)

    act(store, "cancel", parent)

    assert status(store, child) == "canceled"


def test_a_child_that_ended_before_its_parent_is_left_alone(store):
    _, child = put(store, new(), new(after=[-1]))
    act(store, "cancel", child)

    end(store, *claim(store))

    assert (status(store, child), row(store, child).open_parents) == ("canceled", 0)


class TestRetry:
    def test_a_retried_child_whose_parent_still_failed_fails_again(self, store):
        _, child = put(store, new(), new(after=[-1]))
        end(store, *claim(store), ended="raised")

        act(store, "retry", child)

        assert status(store, child) == "failed"
        assert "failed, not skipped or succeeded" in row(store, child).error

    def test_a_retried_child_waits_for_a_retried_parent(self, store):
        parent, child = put(store, new(), new(after=[-1]))
        end(store, *claim(store), ended="raised")
        act(store, "retry", parent)
        assert status(store, child) == "failed"

        act(store, "retry", child)
        assert status(store, child) == "waiting"
        end(store, *claim(store))

        assert statuses(store, [parent, child]) == ["succeeded", "queued"]

    def test_a_retried_parent_leaves_those_that_were_woken(self, store):
        parent, child = put(store, new("p"), new(after=[-1]))
        end(store, *claim(store, tasks=["p"]))

        act(store, "retry", parent)

        assert statuses(store, [parent, child]) == ["queued", "queued"]


class TestCost:
    """Counted in statements: the same for ten thousand as for ten."""

    def statements_to_end(self, store, row):
        with counted(store) as tx:
            store.jobs.release(tx, {row.id: 6}, store.now())
            return tx.count

    def statements_to_insert(self, store, jobs):
        with counted(store) as tx:
            store.jobs.insert(tx, jobs, store.now())
            return tx.count

    def test_many_children_of_one(self, store):
        used = []
        for count in (10, 10_000):
            [parent] = put(store, new(queue="p"))
            used.append(self.statements_to_insert(store, [new(after=[parent]) for _ in range(count)]))
            [claimed] = claim(store, queues=["p"])
            used.append(self.statements_to_end(store, claimed))

        assert used[:2] == used[2:]
        assert len(claim(store, limit=20_000)) == 10_010

    def test_one_child_of_many(self, store):
        used = []
        for count in (10, 10_000):
            jobs = [*[new(queue=f"p{count}") for _ in range(count)], new(after=range(-count, 0))]
            used.append(self.statements_to_insert(store, jobs))
            claimed = claim(store, queues=[f"p{count}"], limit=count)
            with counted(store) as tx:
                released = store.jobs.release(tx, {row.id: 6 for row in claimed}, store.now())
                used.append(tx.count)
            assert released.ready

        assert used[:2] == used[2:]
        assert len(claim(store)) == 2
