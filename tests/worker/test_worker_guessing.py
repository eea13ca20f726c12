"""
A worker claims from the queue that had jobs the last time, before it is told which have some now; or, where the last
ends have made jobs ready, what the next ones do.

Each test has it guess that, when something forbids it.
"""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from tests.support import eventually
from tests.worker.serving import serving

from jobyard.store.hints import Hints
from jobyard.store.release import Releaser
from jobyard.worker.guess import Guess
from jobyard.worker.pace import Pace


@pytest.fixture
def shop(yard):
    """A worker that has just served `default`, and a task that keeps its only slot until the gate is open."""
    words = []
    gate, inside = threading.Event(), threading.Event()

    @yard.task
    def note(word: str) -> None:
        words.append(word)

    @yard.task
    def hold() -> None:
        inside.set()
        assert gate.wait(20)

    def busy():
        """Have the worker hold a job, so that the next claim comes with the end of it."""
        hold.enqueue()
        assert inside.wait(20)

    with serving(yard, concurrency=1) as served:
        note.enqueue("first").wait(20)
        yield SimpleNamespace(note=note, words=words, busy=busy, gate=gate, machine=served.worker.machine)
        gate.set()


def test_a_queue_that_was_paused_meanwhile(yard, shop):
    yard.queues.pause("default")
    held = shop.note.using(unique=True, unique_for="start").enqueue("held")
    shop.note.using(queue="other").enqueue("free").wait(20)

    assert (held.refresh().status, held.attempt, shop.words) == ("queued", 0, ["first", "free"])
    assert shop.note.using(unique=True, unique_for="start").enqueue("held") == held
    yard.queues.resume("default")
    held.wait(20)


def test_more_urgent_jobs_of_another_queue(shop):
    shop.busy()
    usual = shop.note.enqueue("usual")
    urgent = shop.note.using(queue="other", priority=-5).enqueue("urgent")
    shop.gate.set()
    for job in (usual, urgent):
        job.wait(20)

    assert shop.words == ["first", "urgent", "usual"]


def test_more_urgent_jobs_of_a_queue_that_was_paused_until_now(yard):
    words = []

    @yard.task
    def note(word: str) -> None:
        words.append(word)

    yard.queues.pause("other")
    with serving(yard, queues=("default", "other"), concurrency=1):
        note.enqueue("first").wait(20)
        jobs = [note.new("usual"), note.using(queue="other", priority=-5).new("urgent")]
        store = yard.store
        with store.transaction() as tx:
            store.queues.change(tx, "other", paused=False)
            stored = store.jobs.insert(tx, jobs, store.now())
        store.driver.notify(everywhere=True)
        for each in stored:
            yard.job(each.row.id).wait(20)

    assert words == ["first", "urgent", "usual"]


def test_a_job_that_has_expired(shop, clock):
    shop.busy()
    late = shop.note.using(expires=60).enqueue("late")
    fresh = shop.note.enqueue("fresh")
    clock.advance(61)
    shop.gate.set()
    fresh.wait(20)

    assert (late.refresh().status, late.attempt, shop.words) == ("canceled", 0, ["first", "fresh"])


def test_a_machine_that_is_no_longer_online(yard, shop):
    shop.busy()
    yard.machines.quiesce(shop.machine)
    job = shop.note.enqueue("later")
    shop.gate.set()
    eventually(lambda: yard.machines.get(shop.machine).state == "offline")

    assert (job.refresh().status, job.attempt) == ("queued", 0)
    yard.machines.online(shop.machine)
    job.wait(20)


def test_after_a_wrong_guess_many_turns_go_without():
    guess = Guess()
    guess.learn(["a"])
    assert guess.queue == "a"
    guess.learn([])
    assert guess.queue == "a"
    guess.was_wrong()

    turns = 0
    while guess.queue is None:
        guess.learn(["b"])
        turns += 1
    assert (guess.queue, turns > 10) == ("b", True)
    guess.learn(["a", "b"])
    assert guess.queue is None


def test_a_job_that_was_taken_away(yard, shop, monkeypatch):
    """What is claimed in vain teaches nothing about where the next claim is to begin."""
    acts = []
    looked, was_wrong = Hints.looked, Guess.was_wrong
    monkeypatch.setattr(Hints, "looked", lambda *args: (acts.append("looked"), looked(*args)))
    monkeypatch.setattr(Guess, "was_wrong", lambda self: (acts.append("wrong"), was_wrong(self)))
    shop.busy()
    job = shop.note.enqueue("next")
    [held] = yard.jobs(status="running")
    with yard.store.transaction() as tx:
        tx.execute("update main.jobs set epoch = epoch + 1, status = 8 where id = :id", {"id": held.id})
    acts.clear()
    shop.gate.set()
    job.wait(20)

    assert acts[:2] == ["wrong", "looked"]
    assert (held.refresh().status, shop.words) == ("skipped", ["first", "next"])


@pytest.fixture
def chain(yard, monkeypatch):
    """
    Three jobs in a row, of which the second has the only slot: the worker expects to claim the third with its end.

    `claims` are those with a release.
    """
    words, claims = [], []
    release = Releaser.release

    def heard(self, ended, now, claim=None):
        claims.append(claim)
        return release(self, ended, now, claim)

    monkeypatch.setattr(Releaser, "release", heard)
    gates, inside = ([threading.Event(), threading.Event()] for _ in range(2))

    @yard.task
    def hold(place: int) -> None:
        inside[place].set()
        assert gates[place].wait(20)

    @yard.task
    def note(word: str) -> None:
        words.append(word)

    with serving(yard, concurrency=1) as served:
        first = hold.enqueue(0)
        second = hold.using(after=[first]).enqueue(1)
        third = note.using(after=[second]).enqueue("third")
        assert inside[0].wait(20)
        time.sleep(0.06)  # behind a task that takes so long nothing is claimed ahead
        gates[0].set()
        assert inside[1].wait(20)
        machine = served.worker.machine
        yield SimpleNamespace(note=note, words=words, third=third, go_on=gates[1].set, machine=machine, claims=claims)
        gates[1].set()
        assert claims[1] is not None


def test_a_chain_of_jobs(chain):
    chain.go_on()
    chain.third.wait(20)

    assert (chain.third.attempt, chain.words) == (1, ["third"])
    assert [claim and claim.queue for claim in chain.claims[:2]] == [None, "default"]


def test_dependants_of_one_are_run_in_the_order_of_their_priorities(yard):
    words = []

    @yard.task
    def note(word: str) -> None:
        words.append(word)

    first = note.enqueue("first")
    second = note.using(after=[first]).enqueue("second")
    for word, priority in (("late", 5), ("urgent", -5), ("usual", 0)):
        note.using(after=[second], priority=priority).enqueue(word)
    yard.worker(concurrency=1).run_until_idle()

    assert words == ["first", "second", "urgent", "usual", "late"]


def test_a_dependant_in_a_queue_that_was_paused_meanwhile(yard, chain):
    yard.queues.pause("default")
    free = chain.note.using(queue="other").enqueue("free")
    chain.go_on()
    free.wait(20)

    assert (chain.third.refresh().status, chain.third.attempt, chain.words) == ("queued", 0, ["free"])
    yard.queues.resume("default")
    chain.third.wait(20)


@pytest.mark.parametrize("queue", ["default", "other"])
def test_jobs_that_are_more_urgent_than_a_dependant(chain, queue):
    urgent = chain.note.using(queue=queue, priority=-5).enqueue("urgent")
    chain.go_on()
    for job in (chain.third, urgent):
        job.wait(20)

    assert chain.words == ["urgent", "third"]


def test_a_dependant_on_a_machine_that_is_no_longer_online(yard, chain):
    yard.machines.quiesce(chain.machine)
    chain.go_on()
    eventually(lambda: yard.machines.get(chain.machine).state == "offline")

    assert (chain.third.refresh().status, chain.third.attempt) == ("queued", 0)
    yard.machines.online(chain.machine)
    chain.third.wait(20)


def test_only_short_jobs_are_waited_for():
    pace = Pace()
    pace.ended("quick", 0.00001)
    pace.ended("slow", 0.01)

    assert pace.is_quick(["quick"], 10)
    assert not pace.is_quick(["quick"], 1000)
    assert not pace.is_quick(["quick", "slow"], 10)
    assert not pace.is_quick(["quick", "never measured"], 10)
    assert not pace.is_quick([], 10)
