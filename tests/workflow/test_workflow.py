"""The seven operations: what each needs, and what it leaves."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from tests.store import acts
from tests.workflow.definitions import HOUR, define, definition, enter, log_of, state

from jobyard import BadArguments, Job, PreconditionFailed, UnknownDefinition, UnknownJob, UnknownMachine, Yard
from jobyard.model.definition import ResultStatus

AFTER = {
    "success": "succeeded",
    "success_nochange": "succeeded",
    "success_partial": "succeeded",
    "killed": "canceled",
}
"""What a job becomes by its result status; failed by all others."""


def trail(yard: Yard, job: Job) -> list[str]:
    """The kinds of the events of a job, oldest first."""
    return [event.kind for event in reversed(yard.events(job=job))]


def next_job(yard: Yard, name: str = "git") -> Job | None:
    jobs = yard.jobs(definition=name, status=["scheduled", "queued", "waiting", "suspended", "running"])
    return jobs[0] if jobs else None


def refused(yard, why, operation, *args):
    """The operation is refused with this text, and writes nothing."""
    before = (yard.events(limit=None), [(job.id, job.get_info(["status", "due"])) for job in yard.jobs(limit=None)])

    with pytest.raises(PreconditionFailed, match=why) as caught:
        operation(*args)

    after = (yard.events(limit=None), [(job.id, job.get_info(["status", "due"])) for job in yard.jobs(limit=None)])
    assert after == before
    assert str(caught.value).endswith("nothing was written")


class TestNewJob:
    def test_the_first_is_due_now_whatever_is_given(self, yard, clock):
        job = yard.workflow.new_job(define(yard), interval=7 * HOUR)

        assert (job.status, job.due, job.definition, job.requester) == ("queued", clock.now(), "git", None)

    def test_a_later_one_is_due_an_interval_after_the_start_of_the_newest_result(self, yard, clock, running):
        started = clock.now()
        clock.advance(HOUR)
        enter(yard, "git", "paused")
        yard.workflow.finish_job(running, "success")
        enter(yard, "git", "active")

        assert yard.workflow.new_job("git").due == started + timedelta(hours=6)

    @pytest.mark.parametrize(("interval", "hours"), [(0, 1), (HOUR / 2, 1), (HOUR, 1), (2 * HOUR, 2), ("9h", 9)])
    def test_an_interval_that_is_given_goes_before_the_definitions_own(self, yard, clock, running, interval, hours):
        started = clock.now()
        clock.advance(HOUR)
        enter(yard, "git", "paused")
        yard.workflow.finish_job(running, "success")
        enter(yard, "git", "active")

        assert yard.workflow.new_job("git", interval).due == started + timedelta(hours=hours)

    @pytest.mark.parametrize("given", ["draft", "paused", "failing", "retired"])
    def test_a_definition_that_is_not_active_gets_none(self, yard, given):
        name = define(yard, state=given)

        refused(yard, f"definition git is {given}, not active", yard.workflow.new_job, name)

    def test_a_definition_has_one_job_only(self, yard, pending):
        refused(yard, "has a job already: job 1 of definition git is queued", yard.workflow.new_job, "git")

    def test_an_unknown_definition_is_an_error(self, yard):
        with pytest.raises(UnknownDefinition, match="'cvs'"):
            yard.workflow.new_job("cvs")


class TestDeletePendingJob:
    def test_the_job_is_no_result_and_no_failure(self, yard, pending):
        enter(yard, "git", "paused")

        job = yard.workflow.delete_pending_job("git")

        found = definition(yard)
        assert (job, job.status, next_job(yard)) == (pending, "canceled", None)
        assert (found.failures, found.last_started) == (0, None)

    def test_a_suspended_job_is_pending_too(self, yard, pending):
        pending.suspend()
        enter(yard, "git", "retired")

        assert yard.workflow.delete_pending_job("git").status == "canceled"

    def test_the_job_of_an_active_definition_stays(self, yard, pending):
        refused(yard, "definition git is active", yard.workflow.delete_pending_job, "git")

    def test_a_definition_without_a_job_has_none_to_delete(self, yard):
        name = define(yard, state="paused")

        refused(yard, "definition git has no job", yard.workflow.delete_pending_job, name)

    def test_a_running_job_stays(self, yard, running):
        enter(yard, "git", "paused")

        refused(yard, "job 1 of definition git is running, not pending", yard.workflow.delete_pending_job, "git")


class TestRequestJob:
    def test_a_job_that_is_due_later_is_due_now(self, yard, clock, running):
        yard.workflow.finish_job(running, "success")
        job = next_job(yard)

        yard.workflow.request_job(job, "bob")

        [event] = yard.events(kind="request")
        assert (job.status, job.due, job.requester) == ("queued", clock.now(), "bob")
        assert (event.user, event.job, event.definition) == ("bob", job.id, "git")

    def test_a_job_that_is_overdue_keeps_its_place(self, yard, clock, pending):
        due = pending.due
        clock.advance(60)

        assert yard.workflow.request_job(pending, "bob").due == due

    def test_a_suspended_job_stays_suspended(self, yard, pending):
        pending.suspend()

        assert yard.workflow.request_job(pending, "bob").status == "suspended"
        assert pending.resume().requester == "bob"

    def test_a_second_request_names_the_first_requester(self, yard, pending):
        yard.workflow.request_job(pending, "bob")

        refused(yard, "job 1 of definition git was requested by bob already", yard.workflow.request_job, pending, "bob")

    def test_a_running_job_cannot_be_requested(self, yard, running):
        refused(yard, "is running, not pending", yard.workflow.request_job, running, "bob")

    def test_who_asks_is_the_user_of_the_yard_unless_told(self, yard, pending):
        assert yard.workflow.request_job(pending).requester == "ann"


class TestStartJob:
    def test_it_runs_on_the_machine(self, yard, clock, pending):
        clock.advance(60)

        yard.workflow.start_job(pending, "m1")

        [event] = yard.events(kind="start")
        now = clock.now()
        assert pending.status == "running"
        assert (pending.machine, pending.started_at, pending.heartbeat, pending.logtail) == ("m1", now, now, "")
        assert (pending.attempt, pending.worker) == (1, None)
        assert (event.job, event.definition, event.machine, event.user) == (pending.id, "git", "m1", "ann")
        assert yard.machines.get("m1").jobs == [pending]

    def test_the_requester_is_kept(self, yard, pending):
        yard.workflow.request_job(pending, "bob")

        assert yard.workflow.start_job(pending, "m1").requester == "bob"

    def test_a_job_that_is_due_later_can_be_started(self, yard, running):
        yard.workflow.finish_job(running, "success")
        job = next_job(yard)

        assert (job.status, yard.workflow.start_job(job, "m1").status) == ("scheduled", "running")

    def test_machines_and_jobs_are_given_by_object_or_name(self, yard, machine, pending):
        job = yard.workflow.start_job(pending.id, machine)

        assert (job, job.status, pending.status) == (pending, "running", "queued")

    @pytest.mark.parametrize("after", ["offline", "quiesce"])
    def test_the_machine_must_be_online(self, yard, pending, after):
        getattr(yard.machines, after)("m1")
        now = yard.machines.get("m1").state

        refused(yard, f"machine m1 is {now}, not online", yard.workflow.start_job, pending, "m1")

    def test_an_unknown_machine_is_an_error(self, yard, pending):
        with pytest.raises(UnknownMachine, match="'m9'"):
            yard.workflow.start_job(pending, "m9")
        assert pending.refresh().status == "queued"

    def test_a_suspended_job_is_not_started(self, yard, pending):
        pending.suspend()

        refused(yard, "is suspended, neither scheduled nor queued", yard.workflow.start_job, pending, "m1")

    def test_a_waiting_job_is_not_started(self, yard, machine, tasks):
        first = tasks.echo.enqueue()
        second = tasks.echo.using(after=[first]).enqueue()

        refused(yard, "job 2 is waiting, neither", yard.workflow.start_job, second, "m1")

    def test_a_running_job_is_not_started_again(self, yard, running):
        refused(yard, "is running, neither", yard.workflow.start_job, running, "m1")

    def test_an_unknown_job_is_an_error(self, yard, machine):
        with pytest.raises(UnknownJob):
            yard.workflow.start_job(9, "m1")


class TestUpdateHeartbeat:
    def test_the_heartbeat_and_the_log_tail_are_renewed(self, yard, clock, running):
        clock.advance(60)
        events = yard.events()

        yard.workflow.update_heartbeat(running, "one\ntwo")

        assert (running.heartbeat, running.logtail) == (clock.now(), "one\ntwo")
        assert yard.events() == events

    def test_a_pending_job_cannot_be_beaten(self, yard, pending):
        refused(yard, "is queued, not running", yard.workflow.update_heartbeat, pending, "x")

    def test_a_runner_learns_that_its_job_is_to_be_killed(self, yard, running):
        running.cancel()

        assert yard.workflow.update_heartbeat(running).status == "canceling"


class TestFinishJob:
    @pytest.mark.parametrize("result", ResultStatus)
    def test_every_result_status_ends_the_job(self, yard, clock, running, result):
        clock.advance(60)

        yard.workflow.finish_job(running, result)

        [event] = yard.events(kind="finish")
        assert (running.status, running.ended_at) == (AFTER.get(result, "failed"), clock.now())
        assert (event.job, event.definition, event.machine, event.data) == (1, "git", "m1", {"status": result})
        assert definition(yard).failures == (0 if result.startswith("success") else 1)

    def test_the_log_is_kept(self, yard, running):
        yard.workflow.finish_job(running, "success", b"all\xff")

        assert log_of(yard, running.id) == b"all\xff"

    @pytest.mark.parametrize(
        ("given", "kept"), [(None, None), (b"", None), ("\u00e4", b"\xc3\xa4"), (bytearray(b"x"), b"x")]
    )
    def test_a_log_is_bytes_or_a_text(self, yard, running, given, kept):
        yard.workflow.finish_job(running, "success", given)

        assert log_of(yard, running.id) == kept

    def test_a_log_may_be_an_open_file(self, yard, running):
        yard.workflow.finish_job(running, "success", io.BytesIO(b"x"))

        assert log_of(yard, running.id) == b"x"

    def test_a_killed_run_leaves_an_event_of_its_own(self, yard, running):
        running.cancel()

        yard.workflow.finish_job(running, "killed")

        assert running.status == "canceled"
        assert trail(yard, running) == ["start", "cancel", "kill", "finish"]

    def test_a_failed_job_says_where_and_how(self, yard, running):
        yard.workflow.finish_job(running, "failure_forbidden")

        assert "the run on m1 ended with failure_forbidden" in str(running.error)

    def test_the_next_job_is_due_an_interval_after_the_last(self, yard, clock, running):
        due = running.due
        clock.advance(HOUR)

        yard.workflow.finish_job(running, "success")

        assert next_job(yard).due == due + timedelta(hours=6)

    def test_a_partial_success_is_due_again_at_once(self, yard, clock, running):
        clock.advance(HOUR)

        yard.workflow.finish_job(running, "success_partial")

        assert next_job(yard).due == clock.now()
        assert definition(yard).last_successful is None

    def test_failures_double_the_wait_until_the_definition_fails(self, yard, clock, running):
        waits = []
        job = running
        while job is not None:
            due = clock.now()
            yard.workflow.finish_job(job, "failure")
            job = next_job(yard)
            if job is not None:
                waits.append((job.due - due) / timedelta(hours=6))
                clock.set(job.due)
                yard.workflow.start_job(job, "m1")

        assert waits == [1, 2, 4, 8, 16]
        assert (state(yard), definition(yard).failures) == ("failing", 6)

    def test_no_wait_is_longer_than_a_hundred_years(self, yard, clock, machine):
        job = yard.workflow.new_job(define(yard, every=10 * 365 * 24 * HOUR, failure_limit=20))
        for _ in range(12):
            yard.workflow.finish_job(yard.workflow.start_job(job, "m1"), "failure")
            job = next_job(yard)

        assert job.due == clock.now() + timedelta(days=36_500)

    def test_a_definition_that_is_no_longer_active_gets_no_next_job(self, yard, running):
        enter(yard, "git", "paused")

        yard.workflow.finish_job(running, "success")

        assert next_job(yard) is None

    def test_an_unknown_status_is_refused(self, yard, running):
        with pytest.raises(BadArguments, match="'fine': a run ends with one of success, "):
            yard.workflow.finish_job(running, "fine")
        assert running.refresh().status == "running"

    def test_a_pending_job_cannot_be_finished(self, yard, pending):
        refused(yard, "is queued, not running", yard.workflow.finish_job, pending, "success")

    def test_a_second_end_is_refused_and_tells_the_first(self, yard, running):
        yard.workflow.finish_job(running, "failure_invalid")

        refused(yard, r"is failed \(failure_invalid\), not running", yard.workflow.finish_job, running, "success")

    def test_jobs_that_wait_for_it_go_on(self, yard, tasks, machine):
        first = tasks.echo.enqueue()
        second = tasks.echo.using(after=[first]).enqueue()

        yard.workflow.finish_job(yard.workflow.start_job(first, "m1"), "success")

        assert second.refresh().status == "queued"

    def test_a_job_of_several_ops_ends_as_a_whole(self, yard, tasks, machine):
        good, bad = (yard.enqueue(tasks.echo.op(), tasks.fail.op()) for _ in range(2))

        yard.workflow.finish_job(yard.workflow.start_job(good, "m1"), "success")
        yard.workflow.finish_job(yard.workflow.start_job(bad, "m1"), "failure")

        assert [op.status for op in good.ops] == ["succeeded", "succeeded"]
        assert [op.status for op in bad.ops] == ["failed", "failed"]
        assert "ended with failure" in str(bad.ops[0].error)


class TestReclaimJob:
    def test_it_is_a_result_and_the_next_job_is_due_now(self, yard, clock, running):
        yard.workflow.update_heartbeat(running, "last words")
        clock.advance(HOUR)

        yard.workflow.reclaim_job(running)

        following = next_job(yard)
        assert (running.status, running.logtail, running.ended_at) == ("failed", "last words", clock.now())
        assert (following.id, following.due, following.status) == (2, clock.now(), "queued")
        assert trail(yard, running) == ["start", "reclaim", "finish"]
        [finish] = yard.events(kind="finish")
        [reclaim] = yard.events(kind="reclaim")
        assert (finish.data["status"], reclaim.user, reclaim.machine) == ("reclaimed", "ann", "m1")

    def test_a_build_by_hand_goes_back_as_if_it_had_never_been_taken(self, yard, running):
        build = yard.build("git")
        held = yard.workflow.start_job(build, "m1")
        yard.workflow.update_heartbeat(held, "last words")

        yard.workflow.reclaim_job(held)

        row = acts.row(yard.store, build.id)
        assert (build.refresh().status, row.machine, row.heartbeat, row.logtail) == ("queued", None, None, None)
        assert (build.started_at, build.attempt) == (None, 1)

    def test_it_counts_as_a_failure_but_not_for_the_limit(self, yard, clock, running):
        job = running
        for _ in range(8):
            yard.workflow.reclaim_job(job)
            job = yard.workflow.start_job(next_job(yard), "m1")

        assert (definition(yard).failures, state(yard)) == (8, "active")

    def test_a_definition_that_is_no_longer_active_gets_no_new_job(self, yard, running):
        enter(yard, "git", "retired")

        yard.workflow.reclaim_job(running)

        assert (running.status, next_job(yard)) == ("failed", None)

    @pytest.mark.parametrize("how", ["by hand", "stale"])
    def test_one_that_is_canceling_is_killed_and_the_next_is_due_as_after_a_failure(self, yard, clock, running, how):
        due = running.due
        running.cancel()
        clock.advance(301)

        if how == "stale":
            yard.workflow.reclaim_stale()
        else:
            yard.workflow.reclaim_job(running)

        [finish] = yard.events(kind="finish")
        assert (running.refresh().status, finish.data["status"]) == ("canceled", "killed")
        assert (definition(yard).failures, next_job(yard).due) == (1, due + timedelta(hours=6))

    def test_a_job_without_a_definition_goes_back_to_its_queue(self, yard, tasks, machine):
        job = yard.workflow.start_job(tasks.echo.enqueue(), "m1")

        yard.workflow.reclaim_job(job)

        assert (job.status, [attempt.outcome for attempt in job.attempts]) == ("queued", ["crashed"])

    def test_a_pending_job_cannot_be_reclaimed(self, yard, pending):
        refused(yard, "is queued, not running", yard.workflow.reclaim_job, pending)

    def test_a_second_reclaim_is_refused(self, yard, running):
        yard.workflow.reclaim_job(running)

        refused(yard, r"is failed \(reclaimed\), not running", yard.workflow.reclaim_job, running)


BEYOND = 2**63


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("given", "error", "said"),
        [
            ("1", BadArguments, "job='1': give a job or its id"),
            (None, BadArguments, "job=None"),
            (True, BadArguments, "job=True"),
            (1.0, BadArguments, "job=1.0"),
            (-1, UnknownJob, "there is no job -1"),
            (BEYOND, UnknownJob, f"there is no job {BEYOND}"),
        ],
    )
    @pytest.mark.parametrize(
        ("operation", "args"),
        [
            ("request_job", ["bob"]),
            ("start_job", ["m1"]),
            ("update_heartbeat", ["x"]),
            ("finish_job", ["success"]),
            ("reclaim_job", []),
        ],
    )
    def test_what_is_no_job_is_told(self, yard, pending, operation, args, given, error, said):
        events = yard.events()

        with pytest.raises(error, match=said):
            getattr(yard.workflow, operation)(given, *args)

        assert (yard.events(), pending.refresh().status) == (events, "queued")

    @pytest.mark.parametrize("interval", [-5, "abc", float("nan"), float("inf"), True, b"1h"])
    def test_an_interval_is_a_duration(self, yard, pending, interval):
        with pytest.raises(BadArguments, match=r"^interval="):
            yard.workflow.new_job("git", interval)

    @pytest.mark.parametrize("logtail", [None, b"x", 5])
    def test_a_log_tail_is_a_text(self, yard, clock, running, logtail):
        clock.advance(60)

        with pytest.raises(BadArguments, match=r"^logtail="):
            yard.workflow.update_heartbeat(running, logtail)

        assert running.refresh().heartbeat < clock.now()

    @pytest.mark.parametrize("user", [5, b"bob", "b\0b"])
    def test_who_asks_has_a_name(self, yard, pending, user):
        with pytest.raises(BadArguments, match=r"^user="):
            yard.workflow.request_job(pending, user)

        assert pending.refresh().requester is None

    @pytest.mark.parametrize("queue", [5, "", "a\0b"])
    def test_a_queue_has_a_name(self, yard, pending, queue):
        with pytest.raises(BadArguments, match=r"^queue="):
            yard.workflow.get_job_for_machine("m1", 1, queue)
        with pytest.raises(BadArguments, match=r"^queue="):
            yard.workflow.is_job_due(queue)

    def test_a_log_that_is_no_file_is_told(self, yard, running):
        with pytest.raises(BadArguments, match="logfile=5"):
            yard.workflow.finish_job(running, "success", 5)

        assert running.refresh().status == "running"

    def test_a_character_that_is_none_is_written_out(self, yard, running):
        """As in all free text: what was read from a foreign program must not keep its run from ending."""
        yard.workflow.finish_job(running, "success", "a\ud800b\0")

        assert log_of(yard, running.id) == b"a\\ud800b\0"
