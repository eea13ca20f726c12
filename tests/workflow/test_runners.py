"""What foreign runners are given, and what becomes of those that fall silent."""

from __future__ import annotations

import pytest
from tests.support import eventually
from tests.worker.serving import heard, serving
from tests.workflow.definitions import HOUR, define, definition, log_of

from jobyard import BadArguments, JobReclaimed, PreconditionFailed
from jobyard.testing import run_now


def offered(yard, *names, machine="m1", limit=100, **options):
    """The definitions of the jobs that a machine is given, in their order, until there is none."""
    for name in names:
        yard.workflow.new_job(define(yard, name))
    found = []
    while (job := yard.workflow.get_job_for_machine(machine, limit, **options)) is not None:
        found.append(job.definition)
    return found


class TestOffer:
    def test_a_machine_that_nobody_knew_is_made(self, yard, clock):
        assert offered(yard) == []

        machine = yard.machines.get("m1")
        assert (machine.state, machine.heartbeat) == ("online", clock.now())
        assert [event.kind for event in machine.events] == ["online"]

    def test_the_job_is_started(self, yard, pending):
        job = yard.workflow.get_job_for_machine("m1", 1)

        assert (job, job.status, job.machine) == (pending, "running", "m1")
        assert [event.machine for event in yard.events(kind="start")] == ["m1"]

    def test_what_is_due_longest_comes_first(self, yard, clock):
        for name in ("c", "a", "b"):
            yard.workflow.new_job(define(yard, name))
            clock.advance(1)

        assert offered(yard) == ["c", "a", "b"]

    def test_what_is_due_later_is_not_offered(self, yard, clock, running):
        yard.workflow.finish_job(running, "success")
        clock.advance(6 * HOUR - 1)
        assert offered(yard) == []

        clock.advance(1)
        assert offered(yard) == ["git"]

    def test_what_was_requested_goes_ahead_of_what_is_overdue(self, yard, clock):
        for name in ("a", "b", "c"):
            yard.workflow.new_job(define(yard, name))
            clock.advance(60)
        yard.workflow.request_job(yard.jobs(definition="c")[0], "bob")

        assert offered(yard) == ["c", "a", "b"]

    def test_urgent_ones_go_ahead_of_requested_ones(self, yard):
        yard.workflow.request_job(yard.workflow.new_job(define(yard, "a")), "bob")
        yard.workflow.new_job(define(yard, "b", priority=-1))

        assert offered(yard) == ["b", "a"]

    def test_the_order_holds_across_queues(self, yard, clock):
        for name, queue in (("a", "x"), ("b", "y"), ("c", "x")):
            yard.workflow.new_job(define(yard, name, queue=queue))
            clock.advance(1)

        assert offered(yard) == ["a", "b", "c"]

    def test_a_machine_may_ask_for_one_queue(self, yard):
        yard.workflow.new_job(define(yard, "a", queue="x"))
        yard.workflow.new_job(define(yard, "b", queue="y"))

        assert offered(yard, queue="y") == ["b"]

    def test_a_paused_queue_offers_nothing(self, yard, pending):
        yard.queues.pause("default")

        assert offered(yard) == []
        assert offered(yard, queue="default") == []

    def test_jobs_without_a_definition_are_not_offered(self, yard, tasks):
        tasks.echo.enqueue()

        assert offered(yard) == []

    @pytest.mark.parametrize(("limit", "given"), [(0, 0), (1, 1), (2, 2), (5, 3)])
    def test_a_machine_gets_no_more_than_its_limit(self, yard, limit, given):
        assert len(offered(yard, "a", "b", "c", limit=limit)) == given

    def test_the_limit_is_of_each_machine(self, yard):
        assert offered(yard, "a", "b", limit=1) == ["a"]
        assert offered(yard, machine="m2", limit=1) == ["b"]

    def test_a_limit_is_a_number_from_0(self, yard):
        with pytest.raises(BadArguments, match="limit=-1"):
            yard.workflow.get_job_for_machine("m1", -1)

    @pytest.mark.parametrize("name", ["", "a\0b", None, 3])
    def test_a_machine_has_a_name(self, yard, name):
        with pytest.raises(BadArguments):
            yard.workflow.get_job_for_machine(name, 1)
        assert yard.machines.list() == []

    def test_a_machine_that_is_off_gets_nothing_and_is_not_heard(self, yard, pending):
        yard.machines.offline("m1")

        assert offered(yard) == []
        assert yard.machines.get("m1").heartbeat is None

    def test_a_quiescing_machine_goes_off_when_its_last_job_has_ended(self, yard, running):
        yard.machines.quiesce("m1")

        assert offered(yard, "other") == []
        assert yard.machines.get("m1").state == "quiescing"
        yard.workflow.finish_job(running, "success")
        machine = yard.machines.get("m1")
        assert (machine.state, machine.reason) == ("offline", "quiesced")

    def test_an_empty_quiescing_machine_goes_off_when_it_asks(self, yard, machine, pending):
        yard.machines.quiesce("m1")

        assert offered(yard) == []
        assert yard.machines.get("m1").reason == "quiesced"

    def test_a_job_whose_dependency_was_never_built_fails_and_the_next_is_given(self, yard):
        define(yard, "base", every=None)
        yard.workflow.new_job(define(yard, "a", dependencies=("base",)))
        yard.workflow.new_job(define(yard, "b"))

        assert offered(yard) == ["b"]
        [failed] = yard.jobs(definition="a", status="failed")
        assert "no successful build of base" in str(failed.error)

    def test_such_a_job_is_not_started_by_hand(self, yard, machine):
        define(yard, "base", every=None)
        job = yard.workflow.new_job(define(yard, "a", dependencies=("base",)))

        with pytest.raises(PreconditionFailed, match="is queued, but there is no successful build of base"):
            yard.workflow.start_job(job, "m1")
        assert job.refresh().status == "queued"


class TestSilence:
    @pytest.fixture(params=["a claiming runner", "a worker that starts"])
    def look(self, request, yard):
        """Have somebody look for stale jobs, who starts nothing."""
        if request.param == "a claiming runner":
            return lambda: yard.workflow.get_job_for_machine("m2", 0)
        return lambda: run_now(yard)

    def test_exactly_at_the_limit_is_not_stale(self, clock, running, look):
        clock.advance(300)
        look()
        assert running.refresh().status == "running"

        clock.advance(0.000001)
        look()
        assert running.refresh().status == "failed"

    def test_a_beat_keeps_a_job(self, yard, clock, running, look):
        clock.advance(300)
        yard.workflow.update_heartbeat(running, "still here")
        clock.advance(300)

        look()

        assert running.refresh().status == "running"

    def test_the_result_keeps_who_where_and_when(self, yard, clock, pending, look):
        yard.workflow.request_job(pending, "bob")
        yard.workflow.start_job(pending, "m1")
        yard.workflow.update_heartbeat(pending, "last words")
        started = clock.now()
        clock.advance(301)

        look()

        job = pending.refresh()
        assert (job.requester, job.machine, job.started_at, job.logtail) == ("bob", "m1", started, "last words")
        assert log_of(yard, job.id) is None
        [event] = yard.events(kind="reclaim")
        assert (event.job, event.machine, event.definition) == (job.id, "m1", "git")
        assert "machine m1 was silent for 301 s" in event.data["why"]

    def test_the_new_job_is_automatic_and_due_now(self, yard, clock, running, look):
        clock.advance(301)

        look()

        [new] = yard.jobs(definition="git", status="queued")
        assert (new.due, new.requester) == (clock.now(), None)

    def test_the_third_in_a_row_is_an_internal_failure(self, yard, clock, running, look):
        for _ in range(3):
            clock.advance(301)
            look()
            if (new := yard.jobs(definition="git", status="queued")) and definition(yard).failures < 3:
                yard.workflow.start_job(new[0], "m1")

        results = [event.data["status"] for event in yard.events(kind="finish")]
        assert results == ["internal_failure", "reclaimed", "reclaimed"]
        assert yard.jobs(definition="git")[0].due > clock.now()

    def test_a_job_without_a_definition_goes_back(self, yard, clock, machine, tasks):
        job = yard.workflow.start_job(tasks.echo.enqueue(3), "m1")
        clock.advance(301)

        yard.workflow.get_job_for_machine("m2", 0)

        assert job.refresh().status == "queued"
        assert run_now(yard).succeeded == 1
        assert job.refresh().result == 3

    def test_a_silent_quiescing_machine_goes_off(self, yard, clock, running, look):
        yard.machines.quiesce("m1")
        clock.advance(301)

        look()

        assert yard.machines.get("m1").reason == "quiesced"

    def test_a_worker_that_runs_finds_it_and_tells(self, yard, clock, running):
        told = heard(yard, JobReclaimed)
        with serving(yard, queues=["none"]):
            clock.advance(301)

            eventually(lambda: running.refresh().status == "failed")

        assert [(each.job, each.worker, each.crashes) for each in told] == [(running.id, "a silent machine", 1)]

    def test_another_limit_is_a_setting(self, make_yard, clock):
        yard = make_yard(reclaim_after=10)
        job = yard.workflow.start_job(yard.workflow.new_job(define(yard)), yard.machines.online("m1"))
        clock.advance(11)

        assert yard.workflow.reclaim_stale() == [job]


class TestLate:
    """What a run still says after it lost its job changes nothing, and it is told."""

    @pytest.fixture
    def late(self, yard, clock, running):
        clock.advance(301)
        yard.workflow.reclaim_stale()
        return running

    @pytest.mark.parametrize("by", ["object", "id"])
    def test_a_late_beat_is_refused(self, yard, late, by):
        with pytest.raises(PreconditionFailed, match=r"failed \(reclaimed\), not running; nothing was written"):
            yard.workflow.update_heartbeat(late if by == "object" else late.id, "late")
        assert late.refresh().logtail == ""

    @pytest.mark.parametrize("by", ["object", "id"])
    def test_a_late_end_is_refused(self, yard, late, by):
        before = yard.jobs()

        with pytest.raises(PreconditionFailed, match=r"failed \(reclaimed\)"):
            yard.workflow.finish_job(late if by == "object" else late.id, "success", b"log")

        assert (late.refresh().status, log_of(yard, late.id), yard.jobs()) == ("failed", None, before)

    def test_a_run_is_not_taken_for_a_later_one_of_the_same_job(self, yard, clock, machine, tasks):
        first = yard.workflow.start_job(tasks.echo.enqueue(), "m1")
        clock.advance(301)
        yard.workflow.reclaim_stale()
        second = yard.workflow.start_job(first.id, "m1")

        for act in (
            lambda: yard.workflow.update_heartbeat(first, "late"),
            lambda: yard.workflow.finish_job(first, "success"),
            lambda: yard.workflow.reclaim_job(first),
        ):
            with pytest.raises(PreconditionFailed, match="is running, but was reclaimed from this run"):
                act()
        assert (second.refresh().status, second.logtail) == ("running", "")
        assert yard.workflow.finish_job(second, "success").status == "succeeded"


class TestWorkersOfOurs:
    """Jobs of definitions that a worker runs meet the same operations."""

    def run_inside(self, yard, act):
        """Run a job of a definition in a worker, which acts on the job while it runs."""
        seen = []

        @yard.task(name="imports:run")
        def work():
            [job] = yard.jobs(definition="git", status="running")
            seen.append(job)
            act(job)

        run_now(yard)
        return seen[0].refresh()

    def test_who_finishes_a_workers_job_takes_it_from_the_worker(self, yard):
        yard.workflow.new_job(define(yard))

        job = self.run_inside(yard, lambda job: yard.workflow.finish_job(job, "success_nochange"))

        assert job.status == "succeeded"
        assert [event.data["status"] for event in yard.events(kind="finish")] == ["success_nochange"]
