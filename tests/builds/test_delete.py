"""Deleting builds: what goes with them, and what keeps them."""

from __future__ import annotations

import logging

import pytest

from jobyard import PreconditionFailed, UnknownJob, UnknownTask
from jobyard.builds.messages import LogMessage
from jobyard.testing import run_now


def add_clean_up(yard, *answers):
    """A task that raises one answer after another, where that is an error."""
    left = iter(answers)

    @yard.task(name="tidy")
    def tidy(result: object) -> None:
        if answer := next(left):
            raise answer


def tables_of(yard, build):
    with yard.store.read() as tx:
        return [
            table
            for table, column in (("jobs", "id"), ("builds", "job"), ("log", "job"), ("progress", "job"))
            if tx.fetch(f"select 1 from main.{table} where {column} = :id", {"id": build})
        ]


def test_a_build_goes_with_its_progress_and_its_log(yard, builds, finished):
    build = finished()
    builds.report_build_progress(build, 1, 2)
    builds.log_message(build, logging.LogRecord("a", 20, "p", 1, "m", (), None))
    assert tables_of(yard, build) == ["jobs", "builds", "log", "progress"]

    builds.delete_build(build)

    assert tables_of(yard, build) == []
    assert not any(isinstance(line, LogMessage) for line in builds.iter_log_messages())
    with pytest.raises(UnknownJob):
        builds.get_build(build)
    [event] = yard.events(kind="delete")
    assert (event.job, event.user) == (build, yard.settings.user)


def test_an_unknown_build_and_a_job_that_is_none_are_left_in_silence(yard, builds, finished):
    job = yard.task(name="plain")(lambda: None).enqueue()
    build = finished()

    for id in (build, build, 12345, job.id):
        builds.delete_build(id)

    assert yard.job(job.id).status == "queued"


def test_one_that_is_held_or_run_by_hand_can_be_deleted(yard, builds):
    held, running = builds.create_build("job"), builds.create_build("job")
    builds.start_build(running)

    builds.delete_build(held), builds.delete_build(running)

    assert list(builds.get_job_builds("job")) == []
    with pytest.raises(UnknownJob):
        builds.finish_build(running)


def test_one_that_a_worker_runs_is_kept(yard, builds):
    @yard.task(name="job")
    def job():
        with pytest.raises(PreconditionFailed, match="running"):
            builds.delete_build(id)

    id = builds.create_build("job")
    yard.job(id).resume()
    run_now(yard)

    assert builds.get_build(id)["success"]


def test_one_that_an_unfinished_build_depends_on_is_kept_until_that_ends(builds, finished):
    low = finished("low")
    high = builds.create_build("high", {"dependencies": ["low"]})

    with pytest.raises(PreconditionFailed, match=f"job {high} depends on it"):
        builds.delete_build(low)
    builds.finish_build(high)
    builds.delete_build(low)

    assert builds.get_build(high)["config"]["dependency_builds"] == {"low": low}


def test_after_the_latest_successful_build_the_one_before_it_is_that(yard, builds, finished):
    yard.task(name="t")(lambda: None)
    yard.definitions.add("a", "t", state="draft")
    first, second = finished("a"), finished("a")

    latest = []
    for id in (None, second, first):
        builds.delete_build(id or 0)
        latest.append((yard.definitions.get("a").last_build, (builds.get_latest_successful_build("a") or {}).get("id")))

    assert latest == [(second, second), (first, first), (None, None)]


def test_its_clean_up_is_called_once_with_its_result(yard, builds):
    called = []
    yard.task(name="tidy")(called.append)

    @yard.task(name="job")
    def job() -> int:
        return 1

    build = builds.create_build("job", {"cleanup": "tidy"})
    builds.finish_build(build, retval={"file": ("a", 1)})

    builds.delete_build(build), builds.delete_build(build)

    assert called == [{"file": ("a", 1)}]


def test_a_clean_up_that_fails_keeps_the_build_and_is_called_again(yard, builds):
    add_clean_up(yard, OSError("busy"), None)
    build = builds.create_build("job", {"cleanup_function": "tidy"})
    builds.finish_build(build, retval=1)
    with pytest.raises(OSError, match="busy"):
        builds.delete_build(build)
    kept = builds.get_build(build)
    assert (kept["retval"], kept["cleanup_error"]) == (1, "OSError: busy")
    assert next(builds.get_job_builds("job"))["cleanup_error"] == "OSError: busy"

    builds.delete_build(build)

    assert list(builds.get_job_builds("job")) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_clean_up_that_is_broken_off_can_be_repeated_at_once(yard, builds, finished, error):
    add_clean_up(yard, error, None)
    build = builds.create_build("job", {"cleanup": "tidy"})
    builds.finish_build(build)
    with pytest.raises(error):
        builds.delete_build(build)

    builds.delete_build(build)

    assert list(builds.get_job_builds("job")) == []


def test_a_prune_repeats_a_clean_up_that_failed(yard, builds, clock):
    add_clean_up(yard, OSError("busy"), None)
    build = builds.create_build("job", {"cleanup": "tidy"})
    builds.finish_build(build)
    clock.advance(8 * 86_400)

    assert yard.prune().jobs == 0
    assert builds.get_build(build)["cleanup_error"] == "OSError: busy"
    assert yard.prune().jobs == 1


def test_a_build_whose_clean_up_nobody_knows_is_kept(builds):
    build = builds.create_build("job", {"cleanup": "elsewhere"})
    builds.finish_build(build)

    with pytest.raises(UnknownTask):
        builds.delete_build(build)
    assert builds.get_build(build)["success"]


@pytest.mark.parametrize("outcome", [{"success": False}, {"exception": ValueError()}, {"skipped": True}, {}])
def test_what_has_no_result_is_cleaned_up_with_none(yard, builds, outcome):
    called = []
    yard.task(name="tidy")(called.append)
    build = builds.create_build("job", {"cleanup": "tidy"})
    builds.finish_build(build, **outcome)

    builds.delete_build(build)

    assert called == [None]


def test_what_is_deleted_while_it_runs_by_hand_is_cleaned_up(yard, builds):
    called = []
    yard.task(name="tidy")(called.append)
    build = builds.create_build("job", {"cleanup": "tidy"})
    builds.start_build(build)

    builds.delete_build(build)

    assert called == [None]


def test_what_a_worker_failed_to_build_is_cleaned_up_when_it_is_pruned(yard, builds, clock):
    called = []
    yard.task(name="tidy")(called.append)

    @yard.task(name="job")
    def job() -> int:
        raise ValueError

    build = builds.create_build("job", {"task": "job", "cleanup": "tidy"})
    yard.job(build).resume()
    run_now(yard)
    clock.advance(31 * 86_400)

    assert (yard.prune().jobs, called) == (1, [None])


def test_what_never_began_needs_no_clean_up(yard, builds):
    held, canceled = (builds.create_build("job", {"cleanup": "elsewhere"}) for _ in range(2))
    yard.job(canceled).cancel()

    builds.delete_build(held), builds.delete_build(canceled)

    assert list(builds.get_job_builds("job")) == []
