"""What a new build is: held, made of what was said, and tied to the builds it takes results of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from jobyard import BadArguments, MissingDependencies, PreconditionFailed, QueueClosed, Retry, UnknownJob, retval
from jobyard.testing import run_now


def test_a_new_build_has_nothing_but_its_configuration(builds):
    config = {"function": "shop:extract", "args": (1, {2, 3}), "kwargs": {"since": date(2024, 1, 1)}, "tags": ["x"]}

    build = builds.get_build(builds.create_build("extract", config))

    assert build == {
        "id": 1,
        "job_id": "extract",
        "start_time": None,
        "end_time": None,
        "started": False,
        "finished": False,
        "success": False,
        "skipped": False,
        "config": config,
        "retval": None,
        "exception": None,
        "exception_tb": None,
        "title": None,
        "notes": None,
        "cleanup_error": None,
    }


def test_title_and_notes_are_those_of_the_configuration(yard, builds):
    id = builds.create_build("job", job_config={"title": "Nightly", "notes": "*checked*"})

    build = builds.get_build(id)

    assert (build["title"], build["notes"], yard.job(id).title) == ("Nightly", "*checked*", "Nightly")


def test_no_worker_claims_a_new_build(yard, builds):
    ran = []
    yard.task(name="job")(ran.append)
    id = builds.create_build("job", {"args": [1]})

    run_now(yard)

    assert (ran, yard.job(id).status) == ([], "suspended")


def test_a_build_that_is_resumed_is_run_by_the_workers(yard, builds):
    @yard.task(name="double")
    def double(n: int) -> dict[str, date]:
        return {"on": date(2024, 1, n)}

    id = builds.create_build("twice", {"task": "double", "args": [21]})
    yard.job(id).resume()
    run_now(yard)
    build = builds.get_build(id)

    assert (build["started"], build["success"], build["retval"]) == (True, True, {"on": date(2024, 1, 21)})


def test_the_configuration_is_a_copy(builds):
    config = {"args": [[1]]}
    id = builds.create_build("job", config)
    config["args"][0].append(2)

    builds.get_build(id)["config"]["args"].append(3)

    assert builds.get_build(id)["config"] == {"args": [[1]]}


def test_a_build_goes_where_its_task_says_unless_its_configuration_does(yard, builds):
    yard.task(name="t", queue="images", priority=3, title="Of the task")(lambda: None)
    of_task = yard.job(builds.create_build("a", {"task": "t"}))
    said = yard.job(builds.create_build("b", {"task": "t", "queue": "other", "priority": -3, "title": "Mine"}))

    assert (of_task.queue, of_task.priority, of_task.title) == ("images", 3, "Of the task")
    assert (said.queue, said.priority, said.title) == ("other", -3, "Mine")


def test_its_maker_is_its_requester(yard, builds):
    assert yard.job(builds.create_build("job")).requester == "ann"


def test_arguments_that_do_not_fit_a_known_task_are_refused(yard, builds):
    yard.task(name="t")(lambda n: n)

    with pytest.raises(BadArguments, match="'m'"):
        builds.create_build("job", {"task": "t", "kwargs": {"m": 1}})
    assert list(builds.get_job_builds("job")) == []


def test_a_build_that_says_nothing_of_a_call_is_a_record_also_under_the_name_of_a_task(yard, builds):
    yard.task(name="t")(lambda n: n)

    assert builds.get_build(builds.create_build("t"))["config"] == {}


@pytest.mark.parametrize(
    "config",
    [
        {"args": "text"},
        {"kwargs": [1]},
        {"kwargs": {1: 2}},
        {"dependencies": "extract"},
        {"queue": ""},
        {"priority": 99},
        {"cleanup": 5},
        {"timeout": 0},
        {"args": [object()]},
        {"own": float("nan")},
        {"dependency_builds": [1]},
        {"dependency_builds": {"a": "1"}},
        {"dependency_builds": {"a": True}},
        {1: 2},
        [],
    ],
)
def test_a_configuration_that_is_none_is_refused(builds, config):
    with pytest.raises(BadArguments):
        builds.create_build("job", config)
    assert list(builds.get_job_builds("job")) == []


@pytest.mark.parametrize("job_id", ["", None, 5])
def test_a_job_has_a_name(builds, job_id):
    with pytest.raises(BadArguments):
        builds.create_build(job_id)


def test_config_and_job_config_are_the_same_and_not_both_given(builds):
    with pytest.raises(BadArguments, match="job_config"):
        builds.create_build("job", {}, job_config={})


def test_a_drained_queue_takes_no_build(yard, builds):
    yard.queues.drain("default")

    with pytest.raises(QueueClosed):
        builds.create_build("job")


def test_a_dependency_is_its_latest_successful_build(builds, finished):
    finished("extract", retval=1)
    latest = finished("extract", retval=2)
    finished("extract", success=False), finished("extract", skipped=True), builds.create_build("extract")

    id = builds.create_build("report", {"dependencies": ["extract"]})

    assert builds.get_build(id)["config"] == {"dependencies": ["extract"], "dependency_builds": {"extract": latest}}


def test_a_dependency_that_is_pinned_is_that_build(builds, finished):
    first = finished("extract")
    finished("extract")

    id = builds.create_build(
        "report", job_config={"dependencies": ["extract"]}, build_config={"dependency_builds": {"extract": first}}
    )

    assert builds.get_build(id)["config"]["dependency_builds"] == {"extract": first}


def test_a_dependency_given_as_none_gets_a_new_build_that_is_held_too(yard, builds, finished):
    old = finished("extract")

    id = builds.create_build("report", build_config={"dependency_builds": {"extract": None}, "why": "monthly"})
    config = builds.get_build(id)["config"]
    new = config["dependency_builds"]["extract"]

    assert config == {"dependency_builds": {"extract": new}, "why": "monthly"}
    assert new not in (old, id)
    assert [yard.job(each).status for each in (new, id)] == ["suspended", "suspended"]
    assert builds.get_build(new)["job_id"] == "extract"


def test_without_a_successful_build_of_a_dependency_nothing_is_created(builds, finished):
    finished("extract", skipped=True)
    config = {"dependencies": ["extract", "other", "third"]}

    with pytest.raises(MissingDependencies, match="'extract', 'other'"):
        builds.create_build("report", config, build_config={"dependency_builds": {"third": None}})

    assert list(builds.get_job_builds("report")) == list(builds.get_job_builds("third")) == []


def test_a_pin_must_be_a_build_of_that_dependency(builds, finished):
    other, failed = finished("other"), finished("extract", success=False)

    for pin, error in ((other, BadArguments), (failed, MissingDependencies), (12345, UnknownJob)):
        with pytest.raises(error, match=str(pin)):
            builds.create_build("report", build_config={"dependency_builds": {"extract": pin}})


def test_the_result_of_a_dependency_that_was_finished_by_hand_is_an_argument(yard, builds):
    got = []

    @yard.task(name="extract")
    def extract() -> int:
        raise AssertionError

    @yard.task(name="report")
    def report(rows: object, at: object) -> None:
        got.extend((rows, at))

    config = {"args": [retval("extract")], "kwargs": {"at": retval("extract")}, "dependencies": ["extract"]}
    id = builds.create_build("report", config, build_config={"dependency_builds": {"extract": None}})
    shown = builds.get_build(id)["config"]
    yard.job(id).resume()
    run_now(yard)
    assert yard.job(id).status == "waiting"

    value = {"rows": (1, 2), "at": datetime(2024, 1, 1, tzinfo=UTC)}
    builds.finish_build(shown["dependency_builds"]["extract"], retval=value)
    run_now(yard)

    assert {key: shown[key] for key in config} == config
    assert got == [value, value]


def test_a_result_of_what_is_no_dependency_is_refused(builds):
    with pytest.raises(BadArguments, match="'extract'"):
        builds.create_build("report", {"args": [retval("extract")]})


def test_builds_of_a_definition_are_made_of_it_as_it_is_at_that_moment(yard, builds):
    yard.task(name="t", heartbeat_timeout=5)(lambda since, n=0: n)
    yard.definitions.add("a", "t", kwargs={"since": 1}, title="A", notes="*n*", state="draft")
    first = builds.create_build("a")
    yard.definitions.change("a", kwargs={"since": 2})
    second = builds.create_build("a", build_config={"why": "x"})
    configs = [builds.get_build(id)["config"] for id in (first, second)]

    assert [config["kwargs"] for config in configs] == [{"since": 1}, {"since": 2}]
    assert [config["function"] for config in configs] == ["t", "t"]
    assert (configs[1]["why"], builds.get_build(first)["title"], builds.get_build(first)["notes"]) == ("x", "A", "*n*")
    assert yard.job(first).options.heartbeat_timeout == 5


@dataclass
class Size:
    width: int


@pytest.mark.parametrize(
    "keys",
    [
        {"retry": Retry(3, delay=5, on=(ValueError,))},
        {"retry": 3, "timeout": "5m", "priority": 3, "queue": "q", "cleanup": "t"},
        {"kwargs": {"day": date(2024, 1, 1), "size": Size(3), "pair": (1, 2)}},
        {"args": [retval("low"), date(2024, 1, 1)], "dependencies": ["low"], "title": "T", "notes": "*n*"},
        {"every": "6h", "jitter": 5, "keep": "7d", "failure_limit": 2, "protected": True},
    ],
)
def test_the_configuration_of_a_build_makes_another_like_it(yard, builds, finished, keys):
    @yard.task(name="t")
    def t(n: int = 0, day: date | None = None, size: Size | None = None, pair: tuple[int, int] = (0, 0)) -> int:
        return n

    yard.definitions.add("low", "t", state="draft")
    finished("low", retval=1)
    yard.definitions.add("a", "t", **keys, state="draft")
    first = builds.create_build("a")

    second = builds.create_build("a", builds.get_build(first)["config"])

    assert builds.get_build(second)["config"] == builds.get_build(first)["config"]
    for field in ("queue", "priority", "title"):
        assert getattr(yard.job(second), field) == getattr(yard.job(first), field)
    for option in ("retry", "timeout"):
        assert getattr(yard.job(second).options, option) == getattr(yard.job(first).options, option)
    assert (yard.job(second).ops[0].args, yard.job(second).ops[0].kwargs) == (
        yard.job(first).ops[0].args,
        yard.job(first).ops[0].kwargs,
    )


@pytest.mark.parametrize(
    ("retry", "shown"),
    [
        (3, 3),
        (Retry(3), 3),
        (Retry(3, delay=5), {"attempts": 3, "delay": 5.0}),
        ({"attempts": 3, "delay": "5s"}, {"attempts": 3, "delay": "5s"}),
    ],
)
def test_a_policy_of_attempts_comes_back_as_yaml_has_it(yard, builds, retry, shown):
    build = builds.create_build("job", {"retry": retry})

    assert builds.get_build(build)["config"] == {"retry": shown}
    assert yard.job(build).options.retry.attempts == 3


@pytest.mark.parametrize("retry", [0, "often", {"tries": 3}, {}])
def test_a_policy_that_is_none_is_refused(builds, retry):
    with pytest.raises(BadArguments, match="retry"):
        builds.create_build("job", {"retry": retry})


def test_a_retired_definition_is_not_built_either_way(yard, builds):
    yard.task(name="t")(lambda: None)
    yard.definitions.add("low", "t", state="draft")
    yard.definitions.add("high", "t", dependencies=["low"], state="draft")
    yard.definitions.retire("low")

    with pytest.raises(PreconditionFailed, match="low is retired"):
        builds.create_build("low")
    with pytest.raises(PreconditionFailed, match="low is retired"):
        builds.create_build("high", build_config={"dependency_builds": {"low": None}})

    assert yard.jobs() == []
    assert builds.create_build("low", {"title": "of before"})


def test_a_new_build_of_a_dependency_is_one_of_its_definition(yard, builds):
    yard.task(name="t")(lambda n=0: n)
    yard.definitions.add("low", "t", kwargs={"n": 7}, state="draft")
    yard.definitions.add("high", "t", args=[retval("low")], dependencies=["low"], state="draft")
    with pytest.raises(MissingDependencies, match="'low'"):
        builds.create_build("high")

    high = builds.create_build("high", build_config={"dependency_builds": {"low": None}})
    low = builds.get_build(high)["config"]["dependency_builds"]["low"]
    for id in (low, high):
        yard.job(id).resume()
    run_now(yard)

    assert [builds.get_build(id)["retval"] for id in (low, high)] == [7, 7]
    assert yard.definitions.get("low").last_successful is not None
