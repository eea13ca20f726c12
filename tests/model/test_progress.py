"""Progress: groups, thinning and sums."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.errors import BadArguments
from jobyard.model.messages import ProgressReport
from jobyard.model.progress import Progress, ProgressBook, ProgressNode, group_path, progress_tree

paths = st.lists(st.sampled_from("abc"), max_size=4).map(tuple)
numbers = st.integers(0, 1000)
reports = st.dictionaries(paths, st.tuples(numbers, st.none() | numbers), max_size=20)


@pytest.mark.parametrize(
    ("group", "path"),
    [
        ((), ()),
        (None, ()),
        ("", ()),
        ("a", ("a",)),
        ("a::b", ("a", "b")),
        (["a", "b"], ("a", "b")),
        (("a::b", "c"), ("a::b", "c")),
        (("nul\0",), ("nul\\x00",)),
    ],
)
def test_a_group_is_a_tuple_a_list_or_a_divided_text(group: object, path: tuple[str, ...]) -> None:
    assert group_path(group) == path  # type: ignore[arg-type]


@pytest.mark.parametrize("group", [3, ("a", 1), {"a"}, ["a"] * 33, "x" * 501])
def test_other_groups_are_refused(group: object) -> None:
    with pytest.raises(BadArguments, match=r"^group="):
        group_path(group)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, "many", None, object(), True, 10**400])
def test_only_finite_numbers_are_figures(value: object) -> None:
    with pytest.raises(BadArguments, match=r"^current="):
        ProgressBook().report(value)  # type: ignore[arg-type]


def test_any_kind_of_number_is_a_figure() -> None:
    book = ProgressBook()
    book.report(Decimal("1.5"), 10)  # type: ignore[arg-type]

    assert book.take(0) == [ProgressReport([], 1.5, 10, "")]


def test_the_newest_report_of_each_group_is_taken_once() -> None:
    book = ProgressBook()
    book.report(5, 10)
    book.report(1, None, "a::b", "x\0")
    book.report(3, 10)

    assert book.take(0) == [ProgressReport([], 3, 10, ""), ProgressReport(["a", "b"], 1, None, "x\\x00")]
    assert book.take(0) == []


def test_reports_are_due_at_most_five_times_a_second() -> None:
    book = ProgressBook()
    taken = 0

    for tick in range(1001):  # a report each millisecond, for a second
        book.report(tick, 1000)
        if book.due(tick / 1000):
            book.take(tick / 1000)
            taken += 1

    assert taken in (5, 6)  # the first at once


def test_what_is_left_at_the_end_is_taken_though_not_due() -> None:
    book = ProgressBook()
    book.report(1, 2)
    book.take(10.0)
    book.report(2, 2)

    assert not book.due(10.1)
    assert [report.current for report in book.take(10.1)] == [2]


def test_nothing_is_due_without_a_report() -> None:
    assert not ProgressBook().due(1e9)


def test_a_group_shows_its_own_report_or_the_sum_of_its_children() -> None:
    tree = progress_tree(
        [
            Progress(("a", "x"), 1, 10),
            Progress(("a", "y"), 2, 10, "reading"),
            Progress(("b", "z"), 4, 10),
            Progress(("b",), 1, 5),
        ]
    )

    a, b = tree.children
    assert (a.name, a.current, a.total, a.reported) == ("a", 3, 20, False)
    assert (b.name, b.current, b.total, b.reported) == ("b", 1, 5, True)
    assert (tree.name, tree.current, tree.total) == ("", 4, 25)
    assert [child.status for child in a.children] == ["", "reading"]
    assert a.fraction == 0.15


@pytest.mark.parametrize(("current", "total", "expected"), [(1, 4, 0.25), (0, 0, 0.0), (3, 0, 0.0), (6, 4, 1.5)])
def test_a_fraction_is_not_held_below_one(current: int, total: int, expected: float) -> None:
    assert Progress((), current, total).fraction == expected


def test_without_a_total_there_is_no_fraction() -> None:
    tree = progress_tree([Progress(("a",), 1, None), Progress(("b",), 1, 2)])

    assert (tree.current, tree.total, tree.fraction) == (2, None, None)


def test_no_report_at_all_is_nothing_of_nothing() -> None:
    assert progress_tree([]) == ProgressNode(())


@given(reports)
def test_every_node_shows_its_report_or_the_sum(reported: dict[tuple[str, ...], tuple[int, int | None]]) -> None:
    tree = progress_tree(Progress(group, *figures) for group, figures in reported.items())

    seen = set()
    for node in walk(tree):
        seen.add(node.group)
        if node.group in reported:
            assert (node.current, node.total) == reported[node.group]
        else:
            assert node.current == sum(child.current for child in node.children)
            totals = [child.total for child in node.children]
            assert node.total == (None if None in totals else sum(total or 0 for total in totals))
    assert set(reported) <= seen


@given(reports)
def test_the_order_of_the_rows_does_not_change_the_figures(
    reported: dict[tuple[str, ...], tuple[int, int | None]],
) -> None:
    rows = [Progress(group, *figures) for group, figures in reported.items()]

    forwards, backwards = progress_tree(rows), progress_tree(rows[::-1])

    assert figures_of(forwards) == figures_of(backwards)


def figures_of(tree: ProgressNode) -> dict[tuple[str, ...], tuple[float, float | None]]:
    return {node.group: (node.current, node.total) for node in walk(tree)}


def walk(node: ProgressNode) -> Iterator[ProgressNode]:
    yield node
    for child in node.children:
        yield from walk(child)
