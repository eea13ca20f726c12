"""When claims begin behind the start."""

from __future__ import annotations

from jobyard.store.hints import START, Hints, Place

KEY = ("q", "[]")
HERE, THERE = Place(5, 1), Place(5, 9)


def test_quick_looks_leave_no_hint():
    hints = Hints()

    hints.looked(KEY, START, [HERE], 0.0, 0.001)

    assert hints.place(KEY, 0.0) == START


def test_a_slow_look_has_the_next_ones_begin_behind_it_for_ten_times_as_long():
    hints = Hints()

    hints.looked(KEY, START, [HERE], 0.0, 0.1)

    assert hints.place(KEY, 0.9) == HERE
    assert hints.place(KEY, 1.1) == START
    assert hints.place(("other", "[]"), 0.9) == START


def test_it_moves_on_and_ends_no_later():
    hints = Hints()
    hints.looked(KEY, START, [HERE], 0.0, 0.1)

    hints.looked(KEY, HERE, [THERE], 0.5, 0.001)

    assert hints.place(KEY, 0.9) == THERE
    assert hints.place(KEY, 1.1) == START


def test_finding_nothing_ends_it():
    hints = Hints()
    hints.looked(KEY, START, [HERE], 0.0, 0.1)

    hints.looked(KEY, HERE, [], 0.5, 0.001)

    assert hints.place(KEY, 0.6) == START


def test_it_never_holds_for_more_than_five_seconds():
    hints = Hints()

    hints.looked(KEY, START, [HERE], 0.0, 60.0)

    assert hints.place(KEY, 4.9) == HERE
    assert hints.place(KEY, 5.1) == START
