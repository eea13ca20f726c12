"""The face as a whole: what jobcontrol's page lists is there, by the same names, and owns no state."""

from __future__ import annotations

import inspect
import logging

import pytest

from jobyard import ConfigError, SchemaOutOfDate, UnknownJob, Yard
from jobyard.builds import Storage
from jobyard.store.invariants import check_invariants

PAGE = {
    "from_url": "url",
    "install": "",
    "uninstall": "",
    "get_job_builds": "job_id started=None finished=None success=None skipped=None order='asc' limit=100",
    "create_build": "job_id config=None job_config=None build_config=None",
    "get_build": "build_id",
    "delete_build": "build_id",
    "start_build": "build_id",
    "finish_build": "build_id success=None skipped=None retval=None exception=None exception_tb=None",
    "finish_build_with_exception": "build_id",
    "update_build_progress": "build_id current total",
    "report_build_progress": "build_id current total group_name='' status_line=''",
    "get_build_progress_info": "build_id",
    "get_latest_successful_build": "job_id",
    "log_message": "build_id record",
    "prune_log_messages": "job_id=None build_id=None max_age=None level=None",
    "iter_log_messages": "build_id=None max_date=None min_date=None min_level=None",
    "pack": "obj safe=False",
    "pack_exception": "exception",
    "unpack": "obj safe=False",
}


def written(parameter):
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


@pytest.mark.parametrize("name", PAGE)
def test_every_method_of_the_page_has_its_parameters_and_defaults(builds, name):
    assert " ".join(map(written, inspect.signature(getattr(builds, name)).parameters.values())) == PAGE[name]


def test_a_yard_and_a_storage_of_the_same_url_see_the_same_builds(url):
    with Yard(url) as yard, Storage.from_url(url) as storage:
        build = yard.builds.create_build("job", {"args": [1]})

        assert storage.get_build(build) == yard.builds.get_build(build)


def test_a_storage_installs_and_uninstalls_its_tables(bare_url):
    with Storage.from_url(bare_url) as storage:
        storage.install()
        build = storage.create_build("job")
        storage.uninstall()
        storage.install()

        with pytest.raises(UnknownJob):
            storage.get_build(build)


def test_a_url_of_no_store_is_refused():
    with pytest.raises(ConfigError):
        Storage.from_url("memory://")


def test_what_is_not_installed_says_so(bare_url):
    if bare_url.startswith("sqlite:"):
        pytest.skip("a SQLite file is installed on first use")
    with Storage.from_url(bare_url) as storage, pytest.raises(SchemaOutOfDate):
        storage.create_build("job")


@pytest.mark.parametrize(
    "act",
    [
        lambda s, id: s.get_build(id),
        lambda s, id: s.start_build(id),
        lambda s, id: s.finish_build(id),
        lambda s, id: s.report_build_progress(id, 1, 2),
        lambda s, id: s.get_build_progress_info(id),
        lambda s, id: s.log_message(id, logging.LogRecord("a", 20, "p", 1, "m", (), None)),
    ],
)
def test_an_unknown_build_and_a_job_that_is_none_are_unknown(yard, builds, act):
    job = yard.task(name="plain")(lambda: None).enqueue()

    for id in (job.id, 12345):
        with pytest.raises(UnknownJob, match=str(id)):
            act(builds, id)


def test_the_doctor_finds_nothing_wrong_with_builds_by_hand(yard, builds, finished, clock):
    held = builds.create_build("held")
    builds.report_build_progress(held, 1, 2)
    running = builds.create_build("running")
    builds.start_build(running)
    finished(retval=1), finished(skipped=True), finished(success=False)
    clock.advance(365 * 86_400)

    assert check_invariants(yard.store, now=yard.store.now(), lost_after=30) == []
