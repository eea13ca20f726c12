"""Builds by hand: which ones are made, what they take, and what is kept of them."""

from __future__ import annotations

import pytest

from jobyard import (
    BadArguments,
    JobFailed,
    MissingDependencies,
    PreconditionFailed,
    UnknownDefinition,
    UnknownJob,
    UnknownTask,
    retval,
)


def run(yard):
    return yard.worker().run_until_idle()


@pytest.fixture
def diamond(yard, shop):
    """top takes left and right, and both take base."""
    add = yard.definitions.add
    add("base", "note", [1])
    add("left", "total", [retval("base"), 10], dependencies=["base"])
    add("right", "total", [retval("base"), 100], dependencies=["base"])
    return add("top", "total", [retval("left"), retval("right")], dependencies=["left", "right"])


def built(yard):
    return [job.definition for job in yard.jobs(order="id", limit=None)]


def test_without_a_successful_dependency_nothing_is_made(yard, diamond):
    with pytest.raises(MissingDependencies, match="top needs the result of left") as caught:
        yard.build("top")

    assert "right" in str(caught.value)
    assert yard.count(by=()) == 0


def test_a_diamond_builds_each_once_and_in_order(yard, diamond):
    top = yard.build("top", build_deps=True)
    run(yard)

    assert built(yard) == ["base", "left", "right", "top"]
    assert top.refresh().result == 112


def test_what_would_be_built_is_told_in_order(yard, diamond):
    planned = yard.definitions.planned

    assert planned("top", build_deps=True) == ["base", "left", "right", "top"]
    assert planned("base") == ["base"]
    with pytest.raises(MissingDependencies):
        planned("top")
    assert yard.count(by=()) == 0


def test_what_is_built_already_is_taken(yard, diamond):
    yard.build("base")
    run(yard)

    yard.build("top", build_deps=True)

    assert built(yard) == ["base", "left", "right", "top"]


def test_pins_take_an_older_build_or_a_new_one(yard, shop):
    yard.definitions.add("base", "note", [1])
    user = yard.definitions.add("user", "note", [retval("base")], dependencies=["base"])
    old = yard.build("base")
    run(yard)
    yard.definitions.change("base", args=[2])
    yard.build("base")
    run(yard)

    pinned, latest = yard.build("user", pins={"base": old}), yard.build("user")
    fresh = yard.build("user", pins={"base": None})
    run(yard)

    assert [job.refresh().result for job in (pinned, latest, fresh)] == [1, 2, 2]
    assert built(yard).count("base") == 3
    assert user.refresh().status == "success"


def test_a_pin_must_be_a_build_of_its_definition(yard, diamond):
    build = yard.build("base")

    with pytest.raises(BadArguments, match=f"job {build.id} is a build of definition base, not of left"):
        yard.build("top", pins={"left": build})
    with pytest.raises(UnknownJob):
        yard.build("top", pins={"left": 999})
    with pytest.raises(UnknownDefinition):
        yard.build("top", pins={"nope": None})
    with pytest.raises(BadArguments, match="pins"):
        yard.build("top", pins={"left": "x"})
    with pytest.raises(UnknownJob, match="pins: there is no build 999 of left"):
        yard.build("top", pins={"left": 999})
    for pins in ([1], 5, "left"):
        with pytest.raises(BadArguments, match=r"pins=.*: give a mapping"):
            yard.build("top", pins=pins)


def test_a_pin_that_nothing_takes_is_refused(yard, diamond):
    top = yard.build("top", build_deps=True)
    run(yard)
    base, left, *_ = yard.jobs(order="id")
    before = yard.count(by=())

    for name, pins in (
        ("top", {"base": None}),  # left and right are not built anew
        ("top", {"base": base}),
        ("top", {"top": None}),
        ("left", {"right": None}),
        ("left", {"top": top}),
    ):
        with pytest.raises(BadArguments, match="pins: nothing that is built takes the pinned build of"):
            yard.build(name, pins=pins)
    with pytest.raises(BadArguments, match="takes the pinned build of 'left'"):
        yard.build("base", build_revdeps=True, pins={"left": left})

    assert yard.count(by=()) == before
    yard.build("top", pins={"left": None, "right": None, "base": base})
    assert built(yard)[before:] == ["left", "right", "top"]


@pytest.mark.parametrize(("task", "status"), [("fail", "failed"), ("skip", "skipped"), ("note", "canceled")])
def test_a_pin_to_a_build_without_a_result_is_refused(yard, shop, task, status):
    yard.definitions.add("base", task)
    yard.definitions.add("user", "note", [retval("base")], dependencies=["base"])
    build = yard.build("base")
    if status == "canceled":
        build.cancel()
    run(yard)

    with pytest.raises(MissingDependencies, match=f"build {build.id} of 'base' is {status}"):
        yard.build("user", pins={"base": build})

    assert built(yard) == ["base"]


def test_dependants_are_built_once_each_on_the_new_builds(yard, diamond):
    yard.build("top", build_deps=True)
    run(yard)
    yard.definitions.change("base", args=[5])

    yard.build("base", build_revdeps=True)
    run(yard)

    assert built(yard)[4:] == ["base", "left", "right", "top"]
    assert yard.definitions.get("top").results()[0].job.result == 120


def test_dependants_that_lack_another_dependency_make_the_whole_build_fail(yard, diamond):
    yard.definitions.add("side", "note")
    yard.definitions.change("top", dependencies=["left", "right", "side"])

    with pytest.raises(MissingDependencies, match="top needs the result of side"):
        yard.build("base", build_revdeps=True)

    assert yard.count(by=()) == 0


def test_a_failed_dependency_names_itself_in_every_dependant(yard, shop):
    yard.definitions.add("base", "fail")
    yard.definitions.add("middle", "note", dependencies=["base"])
    yard.definitions.add("top", "note", dependencies=["middle"])

    top = yard.build("top", build_deps=True)
    run(yard)

    base, middle, _ = yard.jobs(order="id")
    assert [job.status for job in (base, middle, top.refresh())] == ["failed"] * 3
    for job in (middle, top):
        with pytest.raises(JobFailed, match=rf"job {base.id} \(base\)"):
            job.result  # noqa: B018 - it raises
    assert yard.definitions.get("top").results() == []
    assert yard.definitions.get("base").status == "failed"


def test_a_build_keeps_what_its_definition_said(yard, shop):
    yard.definitions.add("base", "note", [1])
    build = yard.build("base")

    yard.definitions.change("base", args=[2])
    run(yard)

    assert build.refresh().result == 1


def test_a_retired_definition_is_not_built(yard, shop):
    yard.definitions.add("base", "note")
    yard.definitions.retire("base")

    with pytest.raises(PreconditionFailed, match="base is retired"):
        yard.build("base")


def test_a_retired_definition_is_not_built_for_another_either(yard, diamond):
    yard.definitions.retire("left")

    with pytest.raises(PreconditionFailed, match="left is retired"):
        yard.build("top", build_deps=True)
    with pytest.raises(PreconditionFailed, match="left is retired"):
        yard.build("top", build_deps=True, pins={"left": None})

    assert yard.count(by=()) == 0


def test_skipped_builds_are_no_results_for_others(yard, shop):
    skipped = yard.definitions.add("base", "skip")
    yard.build("base")
    run(yard)

    assert (skipped.refresh().status, skipped.last_build) == ("failed", None)
    assert [result.status for result in skipped.results()] == ["success_nochange"]


def test_outdated_looks_through_the_graph(yard, diamond, clock):
    names = ("base", "left", "top")
    outdated = lambda: [yard.definitions.get(name).outdated for name in names]  # noqa: E731 - said thrice
    assert outdated() == [None, None, None]

    yard.build("top", build_deps=True)
    run(yard)
    assert outdated() == [False, False, False]
    clock.advance(1)
    yard.build("base")
    run(yard)

    assert outdated() == [False, True, True]
    assert [each.status for each in yard.definitions.overview()] == ["success", "outdated", "outdated", "outdated"]


def test_the_clean_up_is_called_once_with_the_result(yard, shop):
    cleaned = []

    @yard.task(name="clean")
    def clean(result):
        cleaned.append(result)

    yard.definitions.add("base", "note", ["out.txt"], cleanup="clean")
    build = yard.build("base")
    run(yard)

    yard.definitions.delete_build(build)
    yard.definitions.delete_build(build)

    assert cleaned == ["out.txt"]
    with pytest.raises(UnknownJob):
        yard.job(build.id)


def test_a_clean_up_that_fails_is_marked_and_repeated(yard, shop):
    tries = []

    @yard.task(name="clean")
    def clean(result):
        tries.append(result)
        if len(tries) == 1:
            raise OSError("disk")

    yard.definitions.add("base", "note", [1], cleanup="clean")
    build = yard.build("base")
    run(yard)

    with pytest.raises(OSError, match="disk"):
        yard.definitions.delete_build(build)
    assert yard.job(build.id).status == "succeeded"
    yard.definitions.delete_build(build)

    assert len(tries) == 2
    assert yard.count(by=()) == 0


def test_a_build_whose_clean_up_is_unknown_here_stays(yard, shop, make_yard):
    @yard.task(name="clean")
    def clean(result):
        pass

    yard.definitions.add("base", "note", cleanup="clean")
    build = yard.build("base")
    run(yard)

    with pytest.raises(UnknownTask):
        make_yard().definitions.delete_build(build.id)
    assert yard.job(build.id)


def test_a_build_that_is_needed_is_not_deleted(yard, diamond):
    yard.build("top", build_deps=True)
    base = yard.jobs(definition="base")[0]

    with pytest.raises(PreconditionFailed, match="depends on it"):
        yard.definitions.delete_build(base)
    yard.definitions.delete_build(10**6)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_the_next_run_of_a_recurrence_is_not_deleted(yard, shop, state):
    definition = yard.definitions.add("base", "note", every="1h")
    job = definition.job
    if state == "running":
        yard.builds.start_build(job.id)

    with pytest.raises(PreconditionFailed, match="next run of definition base; pause that, or cancel it"):
        yard.definitions.delete_build(job)

    assert definition.job == job
    assert definition.job.status == state


def test_a_run_that_was_taken_away_is_deleted_like_any_build(yard, shop):
    definition = yard.definitions.add("base", "note", every="1h")
    job = definition.job
    yard.definitions.pause("base")

    yard.builds.delete_build(job.id)

    assert yard.jobs() == []


def test_pruning_keeps_the_latest_success_and_cleans_up(yard, shop, clock):
    cleaned = []

    @yard.task(name="clean")
    def clean(result):
        cleaned.append(result)

    yard.definitions.add("base", "note", [1], cleanup="clean")
    for _ in range(3):
        yard.build("base")
        run(yard)
    clock.advance(8 * 86400)

    pruned = yard.prune()

    assert (pruned.jobs, cleaned) == (2, [1, 1])
    assert [job.id for job in yard.jobs()] == [3]


def test_a_definition_may_keep_its_builds_for_less_long_or_longer(yard, shop, clock):
    yard.definitions.add("short", "note", keep="1h")
    yard.definitions.add("long", "note", keep="30d")
    for _ in range(2):
        yard.build("short")
        yard.build("long")
    run(yard)
    clock.advance(2 * 3600)
    assert yard.prune(dry_run=True).jobs == 1
    assert yard.prune().jobs == 1
    clock.advance(8 * 86400)

    assert yard.prune().jobs == 0
    assert sorted(job.definition for job in yard.jobs()) == ["long", "long", "short"]


def test_the_builds_that_count_failures_stay(yard, shop, clock):
    failing = yard.definitions.add("failing", "fail", every="1h")
    for _ in range(3):
        run(yard)
        clock.set(failing.job.due)
    clock.advance(40 * 86400)

    yard.prune()

    assert len(failing.results()) == 3
