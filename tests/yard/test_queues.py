"""Queues: whether they are open, and what they say for jobs that say nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobyard import BadArguments, QueueClosed, Retry, Yard
from jobyard.testing import run_now


def test_a_queue_has_its_state_and_counts(yard, tasks):
    yard.enqueue_many([tasks.echo.using(queue="a").new(), tasks.fail.using(queue="a").new(), tasks.echo.new()])
    run_now(yard)
    tasks.echo.using(queue="a").enqueue()
    yard.queues.pause("a")

    queue = yard.queues.get("a")

    assert (queue.name, queue.paused, queue.drained) == ("a", True, False)
    assert queue.counts == {"queued": 1, "succeeded": 1, "failed": 1}


def test_those_with_jobs_or_a_state_are_listed_by_name(yard, tasks):
    tasks.echo.using(queue="jobs").enqueue()
    yard.queues.pause("paused")
    yard.queue("options", priority=1)

    assert [queue.name for queue in yard.queues.list()] == ["jobs", "options", "paused"]
    assert yard.queues.list()[0].counts == {"queued": 1}


def test_any_name_is_a_queue(yard):
    queue = yard.queues.get("never heard of")

    assert (queue.paused, queue.drained, queue.counts) == (False, False, {})


@pytest.mark.parametrize("name", ["", "a\0b", None, "x" * 101], ids=repr)
def test_a_queue_has_a_name_that_jobs_can_give(yard, name):
    for act in (yard.queues.pause, yard.queues.drain, lambda name: yard.queue(name, priority=1)):
        with pytest.raises(BadArguments, match="queue="):
            act(name)

    assert yard.queues.list() == []


def test_nothing_of_a_paused_queue_starts(yard, tasks):
    job = tasks.echo.enqueue()
    other = tasks.echo.using(queue="other").enqueue()
    yard.queues.pause("default")

    summary = run_now(yard)

    assert (summary.succeeded, summary.left) == (1, 1)
    assert (job.refresh().status, other.refresh().status) == ("queued", "succeeded")
    yard.queues.resume("default")
    assert run_now(yard).succeeded == 1


def test_a_paused_queue_takes_new_jobs(yard, tasks):
    yard.queues.pause("default")

    assert tasks.echo.enqueue().status == "queued"


def test_a_drained_queue_runs_what_it_has(yard, tasks):
    job = tasks.echo.enqueue()
    yard.queues.drain("default")

    run_now(yard)

    assert job.refresh().status == "succeeded"


def test_a_drained_queue_refuses_what_running_jobs_enqueue(yard, tasks):
    job = tasks.spawn.using(queue="open").enqueue()
    yard.queues.drain("default")

    run_now(yard)

    assert job.refresh().status == "failed"
    assert QueueClosed.__name__ in str(job.error)


def test_a_drained_queue_lets_retries_and_wake_ups_pass(yard, tasks, clock):
    parent = tasks.again.using(retry=2).enqueue(0)
    child = tasks.echo.using(after={parent: {"failed"}}).enqueue()
    ended = tasks.echo.enqueue()
    yard.worker(concurrency=1)
    yard.queues.drain("default")

    run_now(yard)
    assert (parent.refresh().attempt, child.refresh().status) == (2, "succeeded")

    assert ended.refresh().retry().status == "queued"


def test_a_unique_job_of_a_drained_queue_is_refused_like_any_other(yard, tasks):
    tasks.echo.using(unique="key").enqueue()
    yard.queues.drain("default")

    with pytest.raises(QueueClosed):
        tasks.echo.using(unique="key").enqueue()


def test_it_lasts(url, yard, tasks):
    yard.queues.pause("a")
    yard.queues.drain("a")
    yard.queue("a", priority=3, retry=Retry(4, delay=5), timeout="90s", aging=60)

    with Yard(url) as other:
        queue = other.queues.get("a")

    assert (queue.paused, queue.drained, queue.priority) == (True, True, 3)
    assert (queue.retry, queue.timeout, queue.aging) == (Retry(4, delay=5), 90.0, 60.0)


def test_resume_undoes_both(yard):
    yard.queues.pause("a")
    yard.queues.drain("a")

    queue = yard.queues.resume("a")

    assert (queue.paused, queue.drained) == (False, False)


def test_an_option_is_left_as_it_is_or_taken_back(yard):
    yard.queue("a", priority=3, timeout=60)

    assert yard.queue("a", retry=True).retry == Retry(10)
    queue = yard.queue("a", timeout=None)

    assert (queue.priority, queue.retry, queue.timeout) == (3, Retry(10), None)


@pytest.mark.parametrize(
    "options", [{"priority": 20}, {"retry": 0}, {"retry": "often"}, {"timeout": 0}, {"aging": "now"}, {"timeout": -1}]
)
def test_an_option_that_does_not_fit_is_refused(yard, options):
    with pytest.raises(BadArguments, match=next(iter(options))):
        yard.queue("a", **options)

    assert yard.queues.list() == []


def test_the_retry_of_a_queue_is_for_tasks_that_say_nothing(yard, tasks, clock):
    yard.queue("default", retry=Retry(2, delay=60))
    silent, outspoken = tasks.fail.enqueue(), tasks.fail.using(retry=1).enqueue()

    run_now(yard)

    assert (silent.refresh().status, outspoken.refresh().status) == ("scheduled", "failed")


def test_every_change_is_an_event(yard):
    yard.queues.pause("a")
    yard.queues.drain("a")
    yard.queues.resume("a")
    yard.queue("a", priority=3)

    events = yard.events()

    assert [event.kind for event in reversed(events)] == ["pause", "drain", "resume", "change"]
    assert {(event.user, event.data["queue"]) for event in events} == {("ann", "a")}


def test_what_changes_nothing_is_no_event(yard):
    for _ in range(2):
        yard.queues.pause("a"), yard.queues.drain("a")
        yard.queue("a", priority=3)
    for _ in range(2):
        yard.queues.resume("a")
    yard.queues.resume("b")

    assert [event.kind for event in reversed(yard.events())] == ["pause", "drain", "change", "resume"]


def test_the_event_of_changed_options_has_their_values_before_and_after(yard):
    yard.queue("a", priority=3, retry=2, timeout="5m", aging=None)
    yard.queue("a", priority=4, retry=2, timeout=None)

    second, first = (event.data for event in yard.events())

    assert (first["old"], first["new"]["priority"], first["new"]["timeout"]) == (
        {"priority": None, "retry": None, "timeout": None}, 3, 300,
    )  # fmt: skip
    assert first["new"]["retry"]["attempts"] == 2
    assert (second["old"], second["new"]) == ({"priority": 3, "timeout": 300}, {"priority": 4, "timeout": None})


@pytest.fixture
def order(yard):
    """A task that notes the order in which its jobs run."""
    noted = []

    @yard.task(name="note")
    def note(name):
        noted.append(name)

    return note, noted


def test_jobs_go_by_priority_then_by_due_then_by_id(yard, order, clock):
    note, noted = order
    note.using(priority=1).enqueue("least")
    note.enqueue("second")
    note.using(due=clock.now() - timedelta(hours=1)).enqueue("first")
    note.enqueue("third")
    note.using(priority=-1).enqueue("urgent")

    run_now(yard)

    assert noted == ["urgent", "first", "second", "third", "least"]


def test_an_aging_queue_lets_those_that_waited_pass(yard, order, clock):
    note, noted = order
    note.using(priority=5).enqueue("old")
    clock.advance(301)
    note.enqueue("new")
    yard.queue("default", aging=60)

    run_now(yard)

    assert noted == ["old", "new"]


def test_without_aging_again_priority_decides_alone(yard, order, clock):
    note, noted = order
    yard.queue("default", aging=60)
    note.using(priority=5).enqueue("old")
    clock.advance(301)
    note.enqueue("new")
    yard.queue("default", aging=None)

    run_now(yard)

    assert noted == ["new", "old"]


def test_a_changed_aging_reaches_every_job_of_the_queue_and_no_other(yard, tasks, order, clock):
    note, noted = order
    tasks.echo.using(queue="other", priority=3).enqueue()
    before = yard.control.row(1).rank
    yard.enqueue_many([note.using(priority=n % 3).new(n) for n in range(1500)])
    clock.advance(3600)
    yard.queue("default", aging=60)
    note.using(priority=-20).enqueue("last")

    run_now(yard)

    assert noted[-1] == "last"
    assert len(noted) == 1501
    assert yard.control.row(1).rank == before


def test_a_worker_of_several_queues_claims_in_order_across_them(yard, order):
    note, noted = order
    note.using(queue="a").enqueue("a")
    note.using(queue="b", priority=-1).enqueue("b")
    note.using(queue="c", priority=-2).enqueue("c")

    yard.worker(queues=["a", "b"], concurrency=1).run_until_idle()

    assert noted == ["b", "a"]
