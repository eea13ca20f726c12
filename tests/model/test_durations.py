"""Durations as users write them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.model.durations import micros, seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (90, 90),
        (0.25, 0.25),
        ("90", 90),
        ("90s", 90),
        ("1.5m", 90),
        ("6h", 21_600),
        ("7d", 604_800),
        (" 5 m ", 300),
        (timedelta(minutes=2, milliseconds=5), 120.005),
    ],
)
def test_every_form_is_read(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -0.001,
        "-5s",
        "",
        "s",
        "5 weeks",
        "5M",
        "1e3",
        "1h30m",
        "fivem",
        None,
        True,
        b"5s",
        [5],
        math.nan,
        math.inf,
        "36501d",
        timedelta.max,
        10**400,
        -(10**400),
    ],
    ids=repr,
)
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(ValueError, match="poll="):
        seconds(value, "poll")


def test_a_negative_timedelta_is_refused():
    with pytest.raises(ValueError, match="duration="):
        seconds(timedelta(seconds=-1))


def test_micros_are_whole():
    assert micros("1.5s") == 1_500_000
    assert micros(0.000_001_4) == 1


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_500)))
def test_a_timedelta_keeps_its_microseconds(value):
    assert micros(value) == value // timedelta(microseconds=1)
