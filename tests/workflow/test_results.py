"""Definitions, machines and results as users see them, through the public surface alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from jobyard import AsyncYard, PreconditionFailed


@pytest.fixture
def kernel(yard, machine):
    """A recurring definition, whose first job is there."""

    @yard.task(name="imports:run")
    def run(url: str) -> None:
        """Runs in a foreign program."""

    return yard.definitions.add("kernel", run, args=["https://example.org/kernel.git"], every="6h", queue="imports")


def test_a_result_keeps_all_that_is_known_of_the_run(yard, clock, kernel):
    yard.definitions.request("kernel", "bob")
    started = clock.now()
    job = yard.workflow.get_job_for_machine("m1", 1, "imports")
    yard.workflow.update_heartbeat(job, "half")
    clock.advance(60)
    yard.workflow.finish_job(job, "success_nochange", b"all of it")

    [result] = kernel.results()

    assert (result.status, result.job, result.machine, result.requester) == ("success_nochange", job, "m1", "bob")
    assert (result.started_at, result.ended_at) == (started, clock.now())
    assert (result.log_excerpt, result.log) == ("half", b"all of it")


def test_the_next_job_is_automatic_again(yard, clock, kernel):
    yard.definitions.request("kernel", "bob")
    job = yard.workflow.start_job(kernel.job, "m1")
    due = job.due

    yard.workflow.finish_job(job, "success")

    assert (kernel.job.due, kernel.job.requester) == (due + timedelta(hours=6), None)
    assert yard.definitions.get("kernel").last_successful == clock.now()


def test_the_last_success_has_launchpads_name_too(yard, clock, kernel):
    assert kernel.date_last_successful is None

    yard.workflow.finish_job(yard.workflow.start_job(kernel.job, "m1"), "success")
    clock.advance(60)

    done = kernel.refresh()
    assert done.date_last_successful == done.last_successful == clock.now() - timedelta(minutes=1)


def test_a_definition_is_overdue_from_its_due_time_until_it_starts(yard, clock, kernel):
    assert kernel.overdue

    job = yard.workflow.start_job(kernel.job, "m1")
    assert not kernel.overdue

    yard.workflow.finish_job(job, "success")
    assert not kernel.overdue
    clock.advance(6 * 3600)
    assert kernel.overdue


def test_a_running_job_outlives_the_pause_of_its_definition(yard, kernel):
    job = yard.workflow.start_job(kernel.job, "m1")
    yard.definitions.pause("kernel")

    yard.workflow.update_heartbeat(job, "on")
    yard.workflow.finish_job(job, "success")

    assert (job.status, kernel.job) == ("succeeded", None)
    yard.definitions.resume("kernel")
    assert kernel.job.due == job.started_at + timedelta(hours=6)


def test_a_pause_takes_the_pending_job_away(yard, kernel):
    job = kernel.job
    yard.definitions.pause("kernel")

    assert (job.refresh().status, kernel.job, kernel.results()) == ("canceled", None, [])
    with pytest.raises(PreconditionFailed, match="definition kernel has no job"):
        yard.workflow.delete_pending_job("kernel")


def test_objects_and_names_are_taken_alike(yard, kernel):
    yard.definitions.pause("kernel")
    yard.definitions.resume("kernel")
    job = yard.workflow.start_job(kernel.job, yard.machines.get("m1"))
    yard.definitions.pause("kernel")
    yard.workflow.finish_job(job, "success")

    with pytest.raises(PreconditionFailed, match="definition kernel is paused, not active"):
        yard.workflow.new_job(yard.definitions.get("kernel"))


def test_a_failing_definition_starts_anew_when_it_is_requested(yard, clock, kernel):
    while (job := kernel.job) is not None:
        yard.workflow.finish_job(yard.workflow.start_job(job, "m1"), "failure_remote_broken")
    assert yard.definitions.get("kernel").state == "failing"

    requested = yard.definitions.request("kernel", "bob")

    assert (requested.state, requested.failures) == ("active", 0)
    assert (kernel.job.due, kernel.job.requester) == (clock.now(), "bob")


def test_the_audit_trail_tells_the_whole_story(yard, clock, kernel):
    yard.definitions.request("kernel", "bob")
    yard.workflow.get_job_for_machine("m1", 1)
    clock.advance(301)
    job = yard.workflow.get_job_for_machine("m2", 1)
    job.cancel()
    yard.workflow.finish_job(job, "killed")

    told = [(event.kind, event.user, event.machine) for event in reversed(yard.events(definition="kernel"))]
    assert told == [
        ("create", "ann", None),
        ("request", "bob", None),
        ("start", "ann", "m1"),
        ("reclaim", None, "m1"),
        ("finish", None, "m1"),
        ("start", "ann", "m2"),
        ("cancel", "ann", "m2"),
        ("kill", "ann", "m2"),
        ("finish", "ann", "m2"),
    ]


def test_the_same_awaited(yard, kernel):
    async def main():
        awaited = AsyncYard(yard)
        await awaited.workflow.request_job(kernel.job, "bob")
        job = await awaited.workflow.get_job_for_machine("m1", 1)
        assert await awaited.workflow.get_job_for_machine("m1", 1) is None
        assert (await awaited.machines.get("m1")).jobs == [job]
        await awaited.workflow.update_heartbeat(job, "half")
        await awaited.machines.quiesce("m1")
        return await awaited.workflow.finish_job(job, "success")

    job = asyncio.run(main())

    assert (job.status, job.logtail, job.requester) == ("succeeded", "half", "bob")
    assert yard.machines.get("m1").state == "offline"
