"""Builds that a program starts and finishes itself."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from tests.support import eventually
from tests.worker.serving import serving

from jobyard import BadArguments, BadResult, InvalidTransition, PayloadTooLarge, UsageError, retval
from jobyard.model.traceback import RemoteError
from jobyard.testing import run_now


def test_a_build_that_is_started_and_finished(builds, clock):
    id = builds.create_build("job")
    clock.advance(10)
    began = clock.now()
    builds.start_build(id)
    running = builds.get_build(id)
    clock.advance(5)
    builds.finish_build(id, retval=42)
    build = builds.get_build(id)

    assert [running[key] for key in ("started", "finished", "success", "start_time", "end_time")] == [
        True, False, False, began, None,
    ]  # fmt: skip
    assert [build[key] for key in ("started", "finished", "success", "skipped", "retval")] == [
        True, True, True, False, 42,
    ]  # fmt: skip
    assert (build["start_time"], build["end_time"]) == (began, began + timedelta(seconds=5))


def test_it_has_an_epoch_and_no_worker(yard, builds):
    id = builds.create_build("job")
    builds.start_build(id)
    job = yard.job(id)

    assert (job.status, job.worker, job.machine, job.attempt) == ("running", None, None, 1)
    with yard.store.read() as tx:
        assert yard.store.jobs.get(tx, id).epoch == 1


def test_what_is_not_started_is_started_by_its_finish(builds, clock):
    id = builds.create_build("job")
    builds.finish_build(id)
    build = builds.get_build(id)

    assert build["started"]
    assert build["start_time"] == build["end_time"] == clock.now()


def test_a_second_start_or_finish_is_refused_and_changes_nothing(builds, clock):
    id = builds.create_build("job")
    builds.start_build(id)
    with pytest.raises(InvalidTransition, match="running"):
        builds.start_build(id)
    builds.finish_build(id, retval=1)
    before = builds.get_build(id)
    clock.advance(1)

    with pytest.raises(InvalidTransition, match="succeeded"):
        builds.finish_build(id, retval=2)
    with pytest.raises(InvalidTransition, match="succeeded"):
        builds.start_build(id)

    assert builds.get_build(id) == before


@pytest.mark.parametrize(
    ("said", "success", "skipped"),
    [
        ({}, True, False),
        ({"success": True}, True, False),
        ({"success": False}, False, False),
        ({"skipped": False}, True, False),
        ({"skipped": True}, True, True),
        ({"success": True, "skipped": True}, True, True),
        ({"exception": ValueError()}, False, False),
        ({"success": False, "exception": ValueError()}, False, False),
    ],
)
def test_only_an_exception_makes_a_finish_a_failure_by_default(builds, finished, said, success, skipped):
    build = builds.get_build(finished(**said))

    assert (build["finished"], build["success"], build["skipped"]) == (True, success, skipped)


@pytest.mark.parametrize(
    "said",
    [
        {"success": True, "exception": ValueError()},
        {"skipped": True, "exception": ValueError()},
        {"success": False, "skipped": True},
        {"success": False, "retval": 1},
        {"skipped": True, "retval": 1},
        {"exception": "text"},
        {"exception": ValueError(), "exception_tb": "text"},
        {"exception_tb": RemoteError({"type": "ValueError"})},
        {"success": 1},
    ],
)
def test_what_contradicts_itself_is_refused(builds, said):
    id = builds.create_build("job")

    with pytest.raises(BadArguments):
        builds.finish_build(id, **said)
    assert not builds.get_build(id)["started"]


def test_an_exception_comes_back_with_its_type_its_arguments_and_its_traceback(builds):
    id = builds.create_build("job")
    try:
        secret_number = 41
        int("x" * (secret_number - 40))
    except ValueError as error:
        builds.finish_build(id, exception=error)
    build = builds.get_build(id)
    error, traceback = build["exception"], build["exception_tb"]

    assert isinstance(error, RemoteError)
    assert (error.type, error.args) == ("ValueError", ("invalid literal for int() with base 10: 'x'",))
    assert str(error) == "ValueError: invalid literal for int() with base 10: 'x'"
    assert traceback.frames[-1].function == "test_an_exception_comes_back_with_its_type_its_arguments_and_its_traceback"
    assert traceback.frames[-1].locals["id"] == str(id)
    assert str(traceback).startswith("Traceback (most recent call last):")
    assert str(traceback).endswith(str(error))


def test_the_traceback_of_another_place_may_be_given(builds, finished):
    def elsewhere():
        raise KeyError("there")

    try:
        elsewhere()
    except KeyError:
        given = sys.exc_info()[2]
    error = ValueError("here")

    build = builds.get_build(finished(exception=error, exception_tb=given))

    assert build["exception"].type == "ValueError"
    assert build["exception_tb"].frames[-1].function == "elsewhere"
    assert error.__traceback__ is None


def test_what_came_back_may_be_given_again(builds, finished):
    try:
        raise ValueError("first")
    except ValueError as error:
        first = builds.get_build(finished(exception=error))

    again = builds.get_build(finished(exception=first["exception"], exception_tb=first["exception_tb"]))

    assert str(again["exception"]) == str(first["exception"])
    assert str(again["exception_tb"]) == str(first["exception_tb"])


def test_the_exception_that_is_being_handled_ends_a_build(yard, builds):
    id = builds.create_build("job")
    try:
        raise OSError("disk")
    except OSError:
        builds.finish_build_with_exception(id)

    assert builds.get_build(id)["exception"].type == "OSError"
    assert yard.job(id).status == "failed"
    assert "OSError: disk" in str(yard.job(id).error)


def test_without_an_exception_there_is_nothing_to_end_it_with(builds):
    id = builds.create_build("job")

    with pytest.raises(UsageError, match="except"):
        builds.finish_build_with_exception(id)
    assert not builds.get_build(id)["started"]


def test_a_result_that_cannot_be_stored_leaves_the_build_unfinished(builds):
    id = builds.create_build("job")
    builds.start_build(id)

    with pytest.raises(BadResult, match="finish_build"):
        builds.finish_build(id, retval=object())
    with pytest.raises(PayloadTooLarge):
        builds.finish_build(id, retval="x" * 2**21)

    assert not builds.get_build(id)["finished"]
    builds.finish_build(id, retval=[1])
    assert builds.get_build(id)["retval"] == [1]


def test_a_result_that_comes_by_hand_has_nothing_to_do_with_the_annotations_of_the_task(yard, builds):
    @yard.task(name="job")
    def job() -> dict[str, list[int]]:
        raise AssertionError

    id = builds.create_build("job")
    builds.finish_build(id, retval=(1, 2))

    assert (builds.get_build(id)["retval"], yard.job(id).result) == ((1, 2), (1, 2))


def test_a_build_by_hand_stands_beside_the_recurrence_of_its_definition(yard, builds, clock):
    yard.task(name="t")(lambda: None)
    definition = yard.definitions.add("a", "t", every=3600)
    run_now(yard)
    due, began = definition.job.due, clock.now()
    clock.advance(60)

    failed, good = builds.create_build("a"), builds.create_build("a")
    builds.finish_build(failed, success=False)
    builds.finish_build(good)
    definition.refresh()

    assert (definition.failures, definition.job.due, definition.last_successful) == (
        0,
        due,
        began + timedelta(minutes=1),
    )
    assert [result.job.id for result in definition.results()][:2] == [good, failed]


def test_builds_that_workers_run_are_builds_like_all_others(yard, builds):
    @yard.task(name="t")
    def t(rows: object = None) -> int:
        return 5

    yard.definitions.add("low", "t", state="draft")
    yard.definitions.add("high", "t", [retval("low")], dependencies=["low"], title="High", state="draft")
    high = yard.build("high", build_deps=True)
    run_now(yard)
    [low] = builds.get_job_builds("low")

    build = builds.get_build(high.id)

    assert (build["started"], build["finished"], build["success"], build["retval"]) == (True, True, True, 5)
    assert (build["title"], build["config"]["dependency_builds"]) == ("High", {"low": low["id"]})
    assert builds.get_latest_successful_build("high") == build


def test_what_is_done_by_hand_is_in_the_audit_trail(yard, builds):
    id = builds.create_build("job")
    builds.start_build(id)
    builds.finish_build(id)

    assert [(event.kind, event.definition, event.user) for event in reversed(yard.events(job=id))] == [
        ("request", "job", "ann"),
        ("start", "job", "ann"),
        ("finish", "job", "ann"),
    ]


def test_a_start_by_a_worker_has_no_user(yard, builds):
    yard.task(name="job")(lambda: None)
    id = builds.create_build("job")
    yard.job(id).resume()
    run_now(yard)

    assert [event.user for event in yard.events(job=id, kind="start")] == [None]


def test_new_builds_of_dependencies_are_in_the_audit_trail_too(yard, builds):
    id = builds.create_build("report", build_config={"dependency_builds": {"extract": None}})
    new = builds.get_build(id)["config"]["dependency_builds"]["extract"]

    assert [(event.job, event.definition, event.user) for event in yard.events(kind="request")] == [
        (id, "report", "ann"),
        (new, "extract", "ann"),
    ]


def test_a_build_that_waits_for_another_starts_after_it(builds):
    id = builds.create_build("report", build_config={"dependency_builds": {"extract": None}})
    other = builds.get_build(id)["config"]["dependency_builds"]["extract"]
    with pytest.raises(InvalidTransition, match=f"build {other} .*suspended"):
        builds.start_build(id)

    builds.finish_build(other)
    builds.start_build(id)

    assert builds.get_build(id)["started"]


def test_a_build_whose_dependency_failed_does_not_start(builds):
    id = builds.create_build("report", build_config={"dependency_builds": {"extract": None}})
    other = builds.get_build(id)["config"]["dependency_builds"]["extract"]
    builds.finish_build(other, success=False)

    with pytest.raises(InvalidTransition, match=f"build {other} .*failed"):
        builds.start_build(id)


def test_one_of_many_callers_starts_a_build(yard, builds):
    id = builds.create_build("job")

    def start(_):
        try:
            builds.start_build(id)
        except InvalidTransition:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(start, range(16))) == 1


def test_what_a_worker_runs_is_not_finished_by_others(yard, builds):
    seen = []

    @yard.task(name="job")
    def job():
        with pytest.raises(InvalidTransition, match="elsewhere"):
            builds.finish_build(id)
        with pytest.raises(InvalidTransition, match="running"):
            builds.start_build(id)
        seen.append(builds.get_build(id)["started"])

    id = builds.create_build("job")
    yard.job(id).resume()
    run_now(yard)

    assert seen == [True]
    assert builds.get_build(id)["success"]


def test_a_build_that_is_canceled_while_it_is_held_ends_as_its_holder_says(yard, builds):
    ids = [builds.create_build("job") for _ in range(3)]
    for id in ids:
        builds.start_build(id)
        yard.job(id).cancel()
    done, failed, skipped = ids
    builds.finish_build(done, retval=1)
    builds.finish_build(failed, exception=ValueError())
    builds.finish_build(skipped, skipped=True)

    assert [yard.job(id).status for id in ids] == ["succeeded", "failed", "canceled"]
    assert [builds.get_build(skipped)[key] for key in ("finished", "success", "skipped")] == [True, False, False]


def test_what_is_held_by_hand_is_taken_back_only_where_it_has_a_heartbeat_timeout(make_yard, clock):
    yard = make_yard(reclaim_after=1)
    builds = yard.builds
    free, watched = builds.create_build("job"), builds.create_build("job", {"heartbeat_timeout": 60})
    builds.start_build(free)
    builds.start_build(watched)
    with serving(yard):
        for _ in range(3):
            clock.advance(50)
            builds.report_build_progress(watched, 1, 3)
        clock.advance(60)
        beats = yard.store.now()
        eventually(lambda: last_beat(yard) >= beats)
        assert yard.job(watched).status == "running"
        clock.advance(1)
        eventually(lambda: yard.job(watched).status == "queued")

        assert yard.job(free).status == "running"
    [event] = yard.events(job=watched, kind="reclaim")
    assert "nothing was heard of the build for 61 s" in event.data["why"]


def last_beat(yard):
    with yard.store.read() as tx:
        return max((worker.heartbeat for worker in yard.store.workers.alive(tx)), default=0)
