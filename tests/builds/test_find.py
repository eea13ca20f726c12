"""Which builds `get_job_builds` gives, and in which order."""

from __future__ import annotations

import logging

import pytest

from jobyard import BadArguments, MissingDependencies, UnknownJob
from jobyard.builds import storage
from jobyard.testing import run_now


def add_answering(yard, *answers):
    """A definition whose builds give, or raise, one answer after another; another one depends on it."""
    left = iter(answers)

    @yard.task(name="job")
    def job() -> int:
        if isinstance(answer := next(left), Exception):
            raise answer
        return answer

    yard.definitions.add("job", "job", state="draft")
    yard.definitions.add("dependant", "job", dependencies=["job"], state="draft")
    return yard.definitions.get("job")


@pytest.fixture
def each(yard, builds, finished):
    """One build of each kind, by name."""
    running = builds.create_build("job")
    builds.start_build(running)
    canceled = builds.create_build("job")
    yard.job(canceled).cancel()
    made = {
        "running": running,
        "canceled": canceled,
        "held": builds.create_build("job"),
        "succeeded": finished(retval=1),
        "failed": finished(success=False),
        "skipped": finished(skipped=True),
    }
    finished("another")
    return {id: name for name, id in made.items()}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, "running canceled held succeeded failed skipped"),
        ({"started": True}, "running succeeded failed skipped"),
        ({"started": False}, "canceled held"),
        ({"finished": True}, "canceled succeeded failed skipped"),
        ({"finished": False}, "running held"),
        ({"success": True}, "succeeded skipped"),
        ({"success": False}, "running canceled held failed"),
        ({"skipped": True}, "skipped"),
        ({"skipped": False}, "running canceled held succeeded failed"),
        ({"started": True, "finished": True, "success": False}, "failed"),
        ({"success": True, "skipped": False}, "succeeded"),
        ({"started": False, "finished": True}, "canceled"),
        ({"order": "desc", "finished": False}, "held running"),
        ({"order": "DESC", "limit": 1}, "skipped"),
        ({"success": True, "limit": 1}, "succeeded"),
        ({"limit": 0}, ""),
    ],
)
def test_filters_go_together_and_the_limit_counts_what_fits(builds, each, filters, names):
    assert " ".join(each[build["id"]] for build in builds.get_job_builds("job", **filters)) == names


def test_what_it_gives_is_what_get_build_gives(builds, each):
    for build in builds.get_job_builds("job"):
        assert build == builds.get_build(build["id"])


def test_an_unknown_job_has_no_builds(builds):
    assert list(builds.get_job_builds("nobody")) == []
    assert builds.get_latest_successful_build("nobody") is None


@pytest.mark.parametrize("name", [None, 3, "a\0", "\ud800"])
def test_what_is_no_name_is_that_of_no_job(yard, builds, finished, name):
    finished()
    yard.task(name="plain")(lambda: None).enqueue()

    assert list(builds.get_job_builds(name)) == []
    assert builds.get_latest_successful_build(name) is None


@pytest.mark.parametrize("id", [10**30, -(10**30), 2**63])
def test_an_id_that_no_database_counts_is_that_of_no_build(builds, finished, id):
    finished()
    for act in (
        builds.get_build,
        builds.start_build,
        builds.finish_build,
        lambda id: builds.report_build_progress(id, 1, 2),
        builds.get_build_progress_info,
        lambda id: builds.log_message(id, logging.makeLogRecord({})),
    ):
        with pytest.raises(UnknownJob, match=str(id)):
            act(id)
    builds.delete_build(id)

    assert list(builds.iter_log_messages(id)) == []
    assert builds.prune_log_messages(build_id=id) == 0


def test_more_builds_than_a_batch_come_in_order(builds, monkeypatch):
    monkeypatch.setattr(storage, "_BATCH", 2)
    ids = [builds.create_build("job") for _ in range(5)]

    for limit in (None, 3, 4, 5, 9):
        assert [build["id"] for build in builds.get_job_builds("job", limit=limit)] == ids[:limit]
        newest = [build["id"] for build in builds.get_job_builds("job", order="desc", limit=limit)]
        assert newest == ids[::-1][:limit]


def test_it_is_lazy(builds, finished, monkeypatch):
    monkeypatch.setattr(storage, "_BATCH", 1)
    first, second = finished(), finished()
    found = builds.get_job_builds("job")
    next(found)
    builds.delete_build(second)

    assert list(found) == []
    assert builds.get_build(first)


@pytest.mark.parametrize("bad", [{"order": "up"}, {"order": None}, {"limit": -1}, {"limit": "5"}, {"started": 1}])
def test_what_is_no_filter_is_refused_at_once(builds, bad):
    with pytest.raises(BadArguments, match=next(iter(bad))):
        builds.get_job_builds("job", **bad)


def test_the_latest_successful_build_is_neither_failed_nor_skipped_nor_unfinished(builds, finished):
    finished(retval=1)
    latest = finished(retval=2)
    finished(skipped=True), finished(success=False), builds.create_build("job")

    assert builds.get_latest_successful_build("job") == builds.get_build(latest)


def test_a_success_that_is_retried_is_the_latest_again_when_it_succeeds(yard, builds):
    definition = add_answering(yard, 1, 2, ValueError("third"), 4)
    first, second = yard.build("job"), yard.build("job")
    run_now(yard)

    def latest():
        found = builds.get_latest_successful_build("job")
        assert (found and found["id"]) == definition.refresh().last_build
        return definition.last_build, definition.status

    seen = [latest()]
    second.refresh().retry()
    seen.append(latest())
    run_now(yard)
    seen.append(latest())
    second.refresh().retry()
    run_now(yard)
    seen.append(latest())

    assert len(yard.events(kind="publish", definition="job")) == 1
    assert seen == [(second.id, "success"), (first.id, "success"), (first.id, "success"), (second.id, "success")]


def test_of_a_success_that_is_retried_and_fails_nothing_is_left_to_depend_on(yard, builds):
    definition = add_answering(yard, 1, ValueError("again"))
    only = yard.build("job")
    run_now(yard)
    only.refresh().retry()
    run_now(yard)

    assert builds.get_latest_successful_build("job") is None
    assert (definition.refresh().last_build, definition.status) == (None, "failed")
    with pytest.raises(MissingDependencies, match="job"):
        yard.build("dependant")


def test_the_first_success_is_published_once_also_if_it_is_retried(yard, finished):
    yard.task(name="job")(lambda: None)
    yard.definitions.add("job", "job", state="draft")
    finished(skipped=True)
    only = yard.build("job")
    run_now(yard)
    only.refresh().retry()
    run_now(yard)

    assert [event.job for event in yard.events(kind="publish")] == [only.id]


def test_the_newest_success_is_the_latest_whichever_ended_last(yard, builds):
    yard.task(name="build")(print)
    yard.definitions.add("job", "build")
    older, newer = builds.create_build("job"), builds.create_build("job")
    for id in (newer, older):
        builds.start_build(id)
        builds.finish_build(id, success=True)

    assert builds.get_latest_successful_build("job")["id"] == newer
    assert yard.definitions.get("job").last_build == newer
