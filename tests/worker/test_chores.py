"""What any worker does now and then for all of them."""

from __future__ import annotations

import pytest
from tests.store.acts import spoil

from jobyard.worker.upkeep import Chores

DAY = 86_400


@pytest.fixture
def chores(yard):
    return Chores(yard.store, yard.settings, yard.emitter, yard.tasks, yard.codec)


@pytest.fixture
def note(yard):
    @yard.task(name="note")
    def note(word: str) -> str:
        return word

    return note


def test_what_was_kept_for_long_enough_goes_and_builds_are_cleaned_up_before(yard, chores, note, clock):
    cleaned = []
    yard.task(name="clean")(cleaned.append)
    yard.definitions.add("base", "note", ["a"], cleanup="clean")
    old, plain, latest = yard.build("base"), note.enqueue("b"), yard.build("base")
    yard.worker().run_until_idle()
    clock.advance(8 * DAY)
    young = note.enqueue("c")

    chores.tick()

    assert cleaned == ["a"]
    assert [job.id for job in yard.jobs(order="id")] == [latest.id, young.id]
    assert {old.id, plain.id}.isdisjoint({latest.id, young.id})


def test_who_waits_for_a_job_that_has_ended_goes_on(yard, chores, note):
    """A caller's transaction that overlaps the end of a parent leaves such a job behind."""
    parent = note.enqueue("a")
    child = note.using(after=[parent]).enqueue("b")
    spoil(yard.store, "update jobs set status = 6, ended_at = :now where id = :id", id=parent.id, now=yard.store.now())

    chores.tick()

    assert child.refresh().status == "queued"


def test_they_are_not_done_again_at_once(yard, chores, note, clock):
    chores.tick()
    job = note.enqueue("a")
    yard.worker().run_until_idle()
    clock.advance(8 * DAY)

    chores.tick()

    assert job.refresh().status == "succeeded"
