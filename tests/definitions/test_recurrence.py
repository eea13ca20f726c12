"""A recurring definition always has one unfinished job, made in the transaction that ends the last one."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from tests.store import acts

from jobyard import JobFailed, PreconditionFailed, Retry, ctx, retval
from jobyard.model.messages import Ended
from jobyard.store.recurrence import Succeeded

HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def run(yard):
    """One at a time, so that what was made first ends first."""
    return yard.worker(concurrency=1).run_until_idle()


def kinds(yard, name, *, skip=("create", "online")):
    events = yard.events(definition=name, limit=None)
    return [event.kind for event in reversed(events) if event.kind not in skip]


def due(definition):
    return definition.job.due - START


def test_the_first_run_is_due_now_and_the_next_an_interval_later(yard, shop):
    hourly = yard.definitions.add("hourly", "note", [1], every="1h")
    assert (hourly.job.status, due(hourly)) == ("queued", 0 * HOUR)

    run(yard)

    assert shop.seen == [1]
    assert (hourly.job.status, due(hourly)) == ("scheduled", HOUR)
    assert [result.status for result in hourly.results()] == ["success"]
    assert kinds(yard, "hourly") == ["start", "finish", "publish"]


def test_the_first_success_is_published_once(yard, shop):
    """A failure before it is none, and neither is a build that was skipped."""
    yard.definitions.add("feed", "fail")
    yard.definitions.add("idle", "skip")
    yard.build("idle")
    yard.build("feed")
    run(yard)
    shop.broken = False
    first = yard.build("feed")
    run(yard)
    yard.build("feed")
    run(yard)

    published = yard.events(kind="publish")
    assert [(event.definition, event.job) for event in published] == [("feed", first.id)]


def test_the_first_success_of_one_is_published_beside_those_of_others_that_had_some(yard, shop):
    yard.definitions.add("known", "note")
    yard.build("known")
    run(yard)
    yard.definitions.add("new", "note")
    builds = [yard.build(name) for name in ("known", "new", "known")]
    yard.worker(concurrency=3).run_until_idle()

    assert [(event.definition, event.job) for event in yard.events(kind="publish")][:-1] == [("new", builds[1].id)]


def test_successes_are_remembered_for_an_hour():
    known = Succeeded()
    assert not known.has(["a"], 10.0)
    known.add({"a", "b"}, 10.0)
    known.add({"c"}, 3600.0)

    assert known.has(["a", "c"], 3609.0)
    assert not known.has(["a", "d"], 3609.0)
    assert known.has([], 3609.0)
    assert not known.has(["c"], 3610.0)
    known.add({"d"}, 3610.0)
    assert known.has(["d"], 3610.0)
    assert not known.has(["a", "d"], 3610.0)


def test_of_builds_that_end_together_the_first_is_published_and_the_last_is_the_latest(yard, shop):
    yard.definitions.add("feed", "note")
    builds = [yard.build("feed") for _ in range(3)]
    claimed = acts.claim(yard.store, tasks=["note"])
    ends = [Ended.RAISED, Ended.RETURNED, Ended.RETURNED]
    acts.settle_all(
        yard.store, *(acts.settled(yard.store, row, how) for row, how in zip(reversed(claimed), ends, strict=True))
    )

    assert [event.job for event in yard.events(kind="publish")] == [builds[0].id]
    assert yard.builds.get_latest_successful_build("feed")["id"] == builds[1].id
    assert kinds(yard, "feed", skip=("create", "request", "start")) == ["finish"] * 3 + ["publish"]


@pytest.mark.parametrize(("ends", "failures"), [("fff", 3), ("fsf", 1), ("ffs", 0), ("sff", 2)])
def test_runs_that_end_together_count_in_the_order_of_their_ids(yard, shop, clock, ends, failures):
    definition = yard.definitions.add("often", "note", every="1m", overlap="allow")
    runs = []
    for _ in ends:
        runs += acts.claim(yard.store, tasks=["note"])
        clock.advance(60)
    how = {"f": Ended.RAISED, "s": Ended.RETURNED}
    items = [acts.settled(yard.store, run, how[end]) for run, end in zip(runs, ends, strict=True)]

    acts.settle_all(yard.store, *reversed(items))

    assert definition.refresh().failures == failures
    assert definition.last_successful == (clock.now() if "s" in ends else None)


def test_times_that_were_missed_collapse_into_one_run(yard, shop, clock):
    hourly = yard.definitions.add("hourly", "note", every="1h")
    run(yard)
    clock.advance(5.5 * 3600)

    run(yard)

    # The one of 01:00, late, and one for those of 02:00 to 05:00.
    assert len(shop.seen) == 3
    assert due(hourly) == 6.5 * HOUR


def test_with_cron_the_next_slot_is_taken_and_missed_ones_are_gone(yard, shop, clock):
    nightly = yard.definitions.add("nightly", "note", cron="0 3 * * *")
    run(yard)
    assert due(nightly) == 3 * HOUR
    clock.advance(72 * 3600)

    run(yard)

    assert len(shop.seen) == 2
    assert due(nightly) == (72 + 3) * HOUR


def test_failures_double_the_wait_and_one_more_than_the_limit_ends_it(yard, shop, clock):
    failing = yard.definitions.add("failing", "fail", every="1h", failure_limit=2)
    waits = []
    for _ in range(2):
        run(yard)
        waits.append(failing.job.due - clock.now())
        clock.set(failing.job.due)
    run(yard)

    assert waits == [HOUR, 2 * HOUR]
    assert failing.refresh().state == "failing"
    assert failing.failures == 3
    assert failing.job is None
    assert kinds(yard, "failing")[-2:] == ["finish", "change"]


def test_a_success_ends_the_row_of_failures(yard, shop, clock):
    failing = yard.definitions.add("failing", "fail", every="1h")
    run(yard)
    shop.broken = False
    clock.set(failing.job.due)

    run(yard)

    assert failing.refresh().failures == 0
    assert failing.job.due == clock.now() + HOUR
    assert failing.last_successful == clock.now()


@pytest.mark.parametrize(
    ("said", "status", "failures"),
    [("failure_forbidden", "failed", 1), ("killed", "canceled", 1), ("success_nochange", "succeeded", 0)],
)
def test_a_job_ends_as_the_result_status_says_that_its_task_set(yard, shop, said, status, failures):
    definition = yard.definitions.add("forge", "status", [said], every="1h")
    first = definition.job
    run(yard)

    assert (first.refresh().status, definition.refresh().failures) == (status, failures)
    assert [result.status for result in definition.results()] == [said]
    assert bool(yard.builds.get_latest_successful_build("forge")) is (status == "succeeded")


def test_a_failure_that_a_task_reports_is_tried_again_by_its_policy(yard, clock):
    @yard.task(name="flaky", retry=Retry(2, delay=60))
    def flaky():
        ctx.result_status = "failure_remote_broken" if ctx.attempt == 1 else "success"

    job = flaky.enqueue()
    assert run(yard).retried == 1
    clock.set(job.refresh().due)
    run(yard)

    assert [job.refresh().status, job.attempt] == ["succeeded", 2]
    assert "ctx.result_status is failure_remote_broken" in str(job.attempts[0].error)


def test_cron_takes_a_later_slot_after_failures(yard, shop, clock):
    failing = yard.definitions.add("failing", "fail", cron="0 * * * *")
    slots = []
    for _ in range(3):
        run(yard)
        slots.append(due(failing))
        clock.set(failing.job.due)

    assert slots == [1 * HOUR, 3 * HOUR, 7 * HOUR]


def test_a_partial_success_is_due_at_once_and_sets_no_last_success(yard, shop):
    part = yard.definitions.add("part", "status", ["success_partial"], every="1h")

    [claimed] = acts.claim(yard.store, tasks=["status"])
    acts.end(yard.store, claimed, result_status="success_partial")

    assert due(part) == 0 * HOUR
    assert part.refresh().last_successful is None
    assert [result.status for result in part.results()] == ["success_partial"]


def test_a_retry_of_the_task_moves_no_slot_and_is_no_failure(yard, shop, clock):
    @yard.task(name="second", retry=2)
    def second():
        if shop.broken:
            shop.broken = False
            raise ValueError

    definition = yard.definitions.add("second", "second", every="1h")
    run(yard)
    assert definition.job.due > clock.now()
    clock.set(definition.job.due)

    run(yard)

    assert due(definition) == HOUR
    assert (definition.refresh().failures, len(definition.results())) == (0, 1)


def test_overlapping_runs_make_the_next_job_at_the_start(yard, shop, clock):
    definition = yard.definitions.add("over", "note", every="1h", overlap="allow")
    first = definition.job
    [claimed] = acts.claim(yard.store, tasks=["note"])

    assert claimed.id == first.id
    assert (definition.job.id > first.id, due(definition)) == (True, HOUR)
    clock.advance(3600)
    [second] = acts.claim(yard.store, tasks=["note"])
    acts.end(yard.store, claimed)

    assert second.id != claimed.id
    assert due(definition) == 2 * HOUR
    assert len(yard.jobs(definition="over")) == 3


@pytest.mark.parametrize("ended", [Ended.RETURNED, Ended.RAISED, Ended.SKIPPED, Ended.TIMEOUT, Ended.CANCELED])
def test_every_end_leaves_exactly_one_unfinished_job(yard, shop, ended):
    definition = yard.definitions.add("any", "note", every="1h")
    [claimed] = acts.claim(yard.store, tasks=["note"])

    acts.end(yard.store, claimed, ended)

    assert len(yard.jobs(definition="any", status={"scheduled", "queued"})) == 1
    statuses = {
        Ended.RETURNED: "success",
        Ended.SKIPPED: "success_nochange",
        Ended.TIMEOUT: "internal_failure",
        Ended.CANCELED: "killed",
    }
    assert [result.status for result in definition.results()] == [statuses.get(ended, "failure")]


def test_canceling_a_pending_job_makes_the_next_and_is_no_result(yard, shop):
    definition = yard.definitions.add("any", "note", every="1h")

    definition.job.cancel()

    assert due(definition) == HOUR
    assert definition.results() == []
    assert definition.refresh().failures == 0


def test_a_reclaimed_run_ends_and_a_new_job_is_due_now(yard, shop, clock):
    definition = yard.definitions.add("any", "note", every="1h")
    worker = acts.add_worker(yard.store, tasks=["note"])
    [claimed] = acts.claim(yard.store, tasks=["note"], worker=worker)
    clock.advance(60)
    reclaim(yard)

    [result] = definition.results()
    assert (result.status, result.machine) == ("reclaimed", "m")
    assert due(definition) == timedelta(minutes=1)
    assert definition.job.id != claimed.id
    assert definition.refresh().failures == 1
    assert kinds(yard, "any") == ["start", "reclaim", "finish"]


def test_too_many_reclaims_in_a_row_are_an_internal_failure(yard, shop, clock):
    definition = yard.definitions.add("any", "note", every="1h")
    for _ in range(3):
        worker = acts.add_worker(yard.store, tasks=["note"])
        [_] = acts.claim(yard.store, tasks=["note"], worker=worker)
        clock.advance(60)
        reclaim(yard)

    assert [result.status for result in definition.results()] == ["internal_failure", "reclaimed", "reclaimed"]
    assert definition.job.due - clock.now() > HOUR


def reclaim(yard):
    now = yard.store.now()
    with yard.store.transaction() as tx:
        yard.store.reclaimer.reclaim(tx, before=now - 30_000_000, max_crashes=3, spare=0, now=now)


def test_builds_by_hand_stand_beside_the_recurrence(yard, shop, clock):
    definition = yard.definitions.add("failing", "fail", every="1h")
    run(yard)
    before = definition.job.id

    yard.build("failing")
    run(yard)

    assert (definition.job.id, definition.refresh().failures) == (before, 1)
    shop.broken = False
    yard.build("failing")
    run(yard)
    assert (definition.refresh().failures, definition.last_successful) == (1, clock.now())
    assert [result.status for result in definition.results()] == ["success", "failure", "failure"]


def test_a_paused_definition_loses_its_pending_job_and_gets_one_when_resumed(yard, shop, clock):
    definition = yard.definitions.add("hourly", "note", every="1h")
    run(yard)
    clock.advance(600)

    yard.definitions.pause("hourly", user="bob")
    assert (definition.refresh().state, definition.job) == ("paused", None)
    with pytest.raises(PreconditionFailed, match="hourly is paused"):
        yard.definitions.request("hourly")
    yard.definitions.resume("hourly")

    assert due(definition) == HOUR
    assert [e.user for e in yard.events(kind="pause")] == ["bob"]
    assert len(definition.results()) == 1


def test_a_run_that_goes_on_while_its_definition_is_paused_has_no_next(yard, shop):
    definition = yard.definitions.add("hourly", "note", every="1h")
    [claimed] = acts.claim(yard.store, tasks=["note"])
    yard.definitions.pause("hourly")
    assert definition.job.status == "running"

    acts.end(yard.store, claimed)

    assert definition.job is None
    assert len(definition.results()) == 1


def test_what_is_handed_back_to_a_paused_definition_waits_for_resume(yard, shop):
    definition = yard.definitions.add("hourly", "note", every="1h")
    [claimed] = acts.claim(yard.store, tasks=["note"])
    yard.definitions.pause("hourly")

    acts.end(yard.store, claimed, Ended.DRAINED)
    assert (definition.job.id, definition.job.status) == (claimed.id, "suspended")
    yard.definitions.resume("hourly")

    assert (definition.job.id, definition.job.status) == (claimed.id, "queued")


def test_a_request_is_due_now_and_refused_twice(yard, shop, clock):
    definition = yard.definitions.add("hourly", "note", every="1h")
    run(yard)
    clock.advance(60)

    yard.definitions.request("hourly", "bob")
    with pytest.raises(PreconditionFailed, match="bob"):
        yard.definitions.request("hourly", "eve")
    run(yard)

    assert len(shop.seen) == 2
    assert due(definition) == HOUR + timedelta(minutes=1)
    assert [result.requester for result in definition.results()] == ["bob", None]
    assert definition.job.requester is None


def test_a_request_wakes_a_failing_definition(yard, shop):
    definition = yard.definitions.add("failing", "fail", every="1h", failure_limit=0)
    run(yard)
    assert definition.refresh().state == "failing"
    shop.broken = False

    yard.definitions.request("failing")
    run(yard)

    assert (definition.refresh().state, definition.failures) == ("active", 0)


def test_a_drained_queue_takes_the_next_runs(yard, shop):
    definition = yard.definitions.add("hourly", "note", every="1h")
    yard.queues.drain("default")

    run(yard)

    assert due(definition) == HOUR


def test_tasks_that_say_when_they_run_are_definitions_once_a_worker_starts(yard, clock):
    seen = []

    @yard.task(name="auto", every="1h")
    def auto():
        seen.append(clock.now())

    for _ in range(3):
        run(yard)
        clock.advance(3600)

    assert len(seen) == 3
    assert [each.name for each in yard.definitions.list()] == ["auto"]


def test_what_a_task_declares_follows_the_task_and_stays_retired(yard, make_yard):
    def declare(yard, every):
        yard.task(name="auto", every=every)(_nothing)
        run(yard)
        return yard.definitions.get("auto")

    assert declare(yard, "1h").interval == 3600
    assert declare(make_yard(), "2h").interval == 7200
    yard.definitions.retire("auto")

    assert declare(make_yard(), "3h").state == "retired"


def _nothing():
    pass


def test_a_task_says_that_it_got_only_so_far(yard):
    left = [2]

    @yard.task(name="part", every="1h")
    def part():
        if left[0]:
            left[0] -= 1
            ctx.result_status = "success_partial"

    run(yard)

    results = yard.definitions.get("part").results()
    assert [result.status for result in results] == ["success", "success_partial", "success_partial"]


def test_a_recurring_job_takes_the_newest_result_when_it_begins(yard, shop, clock):
    yard.definitions.add("source", "note", [1])
    user = yard.definitions.add("user", "note", [retval("source")], dependencies=["source"], every="1h")
    run(yard)
    with pytest.raises(JobFailed, match="no successful build of source"):
        user.results()[0].job.result  # noqa: B018 - it raises

    yard.build("source")
    run(yard)
    clock.set(user.job.due)
    run(yard)

    assert shop.seen == [1, 1]
    assert [result.status for result in user.results()] == ["success", "failure"]


def test_those_behind_a_job_that_cannot_begin_are_looked_at(yard, shop):
    """Each fails before it has a slot, from which the next could come."""
    yard.definitions.add("source", "note", [1])
    users = [
        yard.definitions.add(name, "note", [retval("source")], dependencies=["source"], every="1h")
        for name in ("first", "second", "third")
    ]
    yard.worker(concurrency=1).run_until_idle()

    assert [[result.status for result in user.results()] for user in users] == [["failure"]] * 3


def test_a_task_may_end_its_run_in_a_transaction_of_its_own(yard, url, make_yard):
    if not url.startswith("sqlite"):
        pytest.skip("the connection is sqlite3's")

    @yard.task(name="own")
    def own():
        connection = sqlite3.connect(yard.store.location)
        try:
            ctx.finish(7, connection=connection)
            connection.commit()
        finally:
            connection.close()

    definition = yard.definitions.add("own", "own", every="1h")
    run(yard)

    assert due(definition) == HOUR
    assert (definition.refresh().last_build, definition.results()[0].job.result) == (1, 7)


def test_jitter_spreads_what_is_due_at_once_and_does_not_drift(yard, shop, clock):
    for index in range(20):
        yard.definitions.add(f"d{index}", "note", cron="0 0 * * *", jitter="1h")
    run(yard)
    first = [due(each) for each in yard.definitions.list()]
    clock.advance(2 * 86400)
    run(yard)
    second = [due(each) for each in yard.definitions.list()]

    assert len(set(first)) == 20
    assert all(24 * HOUR <= each < 25 * HOUR for each in first)
    assert [each - 48 * HOUR for each in second] == first


@pytest.mark.parametrize("leave", ["retire", "pause"])
def test_a_change_of_something_else_leaves_the_state(yard, shop, leave):
    definition = yard.definitions.add("a", "note", every="1h")
    getattr(yard.definitions, leave)("a")
    before = definition.refresh().state

    yard.definitions.change("a", title="Changed")

    assert (definition.refresh().state, definition.title, definition.job) == (before, "Changed", None)


def test_a_draft_stays_one_until_its_state_is_changed(yard, shop):
    definition = yard.definitions.add("a", "note", every="1h", state="draft")

    yard.definitions.change("a", title="Changed")
    assert definition.refresh().state == "draft"
    yard.definitions.change("a", state="active")

    assert definition.refresh().state == "active"
    assert definition.job.status == "queued"


def test_a_paused_definition_is_resumed_and_not_changed_to_be_active(yard, shop):
    definition = yard.definitions.add("a", "note", every="1h")
    yard.definitions.pause("a")

    with pytest.raises(PreconditionFailed, match="definition a is paused: resume it"):
        yard.definitions.change("a", state="active", title="Changed")

    assert (definition.refresh().state, definition.title) == ("paused", None)


def test_a_retired_definition_comes_back_where_that_is_said(yard, shop):
    definition = yard.definitions.add("a", "note", every="1h")
    yard.definitions.retire("a")

    yard.definitions.change("a", state="active")

    assert definition.refresh().state == "active"
    assert definition.job.status == "queued"
