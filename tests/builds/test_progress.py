"""Progress that is reported of a build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard import BadArguments
from jobyard.model.progress import Progress, join_group, split_group


@pytest.fixture
def build(builds):
    return builds.create_build("job")


def test_groups_are_listed_in_the_order_of_their_first_reports(builds, build):
    builds.report_build_progress(build, 1, 10, ("load", "users"))
    builds.report_build_progress(build, 0, 4, "load")
    builds.report_build_progress(build, 2, 5)
    builds.report_build_progress(build, 0, 1, ["a"], "soon")
    builds.report_build_progress(build, 10, 10, "load::users", "done")

    assert builds.get_build_progress_info(build) == [
        ("load::users", 10, 10, "done"),
        ("load", 0, 4, ""),
        (None, 2, 5, ""),
        ("a", 0, 1, "soon"),
    ]


def test_a_build_without_reports_has_no_progress(builds, build):
    assert builds.get_build_progress_info(build) == []


@pytest.mark.parametrize("group", ["", None, (), [], ("",), [""]])
def test_no_group_is_the_build_itself(builds, build, group):
    builds.report_build_progress(build, 1, 2, group)

    assert builds.get_build_progress_info(build) == [(None, 1, 2, "")]


def test_figures_beyond_what_databases_count_are_kept_as_near_as_they_can(builds, build):
    builds.report_build_progress(build, 2**70, 2**80 + 1)

    assert builds.get_build_progress_info(build) == [(None, 2**70, 2**80, "")]


def test_the_newest_report_counts_also_if_it_is_lower(builds, build, clock):
    builds.report_build_progress(build, 5, 10)
    clock.advance(1)
    builds.report_build_progress(build, 3, 20)

    assert builds.get_build_progress_info(build) == [(None, 3, 20, "")]


def test_figures_are_numbers_and_whole_ones_stay_whole(builds, build):
    builds.report_build_progress(build, 2.5, 10)

    [(_, current, total, _)] = builds.get_build_progress_info(build)

    assert (current, total, type(total)) == (2.5, 10, int)


@pytest.mark.parametrize(
    ("current", "total", "group"),
    [
        (None, 1, ""),
        ("1", 2, ""),
        (float("nan"), 2, ""),
        (1, 2, 5),
        (1, 2, (1,)),
        (1, 2, "x" * 129),
        (1, 2, ("x" * 64,) * 2),
    ],
)
def test_what_is_no_progress_is_refused(builds, build, current, total, group):
    with pytest.raises(BadArguments):
        builds.report_build_progress(build, current, total, group)
    assert builds.get_build_progress_info(build) == []


def test_a_group_of_128_characters_fits(builds, build):
    builds.report_build_progress(build, 1, 2, ("x" * 63, "y" * 63))

    assert builds.get_build_progress_info(build)[0][0] == "x" * 63 + "::" + "y" * 63


def test_it_is_the_progress_of_the_job(yard, builds, build):
    builds.report_build_progress(build, 1, 4, "a::b", "x")

    assert yard.job(build).progress == [Progress(("a", "b"), 1, 4, "x")]


def test_the_old_name_reports_of_the_build_itself_and_says_that_it_is_old(builds, build):
    with pytest.warns(DeprecationWarning, match="report_build_progress"):
        builds.update_build_progress(build, 1, 2)

    assert builds.get_build_progress_info(build) == [(None, 1, 2, "")]


def test_a_name_given_back_is_the_same_group(builds, build):
    builds.report_build_progress(build, 1, 3, ("a::b", "c:", "d\\"))
    [(name, *_)] = builds.get_build_progress_info(build)
    builds.report_build_progress(build, 2, 3, name)

    assert builds.get_build_progress_info(build) == [(name, 2, 3, "")]


levels = st.text(st.sampled_from("a:\\b\n"), max_size=6)


@given(st.lists(levels, min_size=1).filter(lambda path: path != [""]))
def test_a_path_as_one_text_can_be_taken_apart_again(path):
    assert split_group(join_group(path)) == tuple(path)


@given(st.text(st.sampled_from("a:b")))
def test_a_text_without_backslashes_is_divided_at_its_double_colons(text):
    assert "::".join(split_group(text)) == text
