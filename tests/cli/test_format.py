from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from jobyard.cli import format

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 ms"),
        (0, "0 ms"),
        (0.0004, "<1 ms"),
        (0.1204, "120 ms"),
        (0.9999, "1.0 s"),
        (3.25, "3.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1m 00s"),
        (192, "3m 12s"),
        (3599.6, "1h 00m"),
        (7500, "2h 05m"),
        (86_399.9, "1d 00h"),
        (3 * 86_400 + 4 * 3_600, "3d 04h"),
    ],
)
def test_a_length_has_at_most_two_units(seconds, shown):
    assert format.length(seconds) == shown


def test_an_instant_is_ahead_or_behind():
    assert format.ago(NOW - timedelta(seconds=192), NOW) == "3m 12s ago"
    assert format.ago(NOW + timedelta(seconds=5), NOW) == "in 5.0 s"


def test_an_instant_is_local_and_names_its_offset():
    assert datetime.fromisoformat(format.instant(NOW)) == NOW


def test_a_moment_that_has_not_come_is_a_dash():
    assert format.moment(None, NOW) == "-"
    assert format.moment(NOW, NOW + timedelta(hours=1)).endswith("(1h 00m ago)")


@pytest.mark.parametrize(
    ("current", "total", "elapsed", "left"),
    [(25, 100, 10, 30), (100, 100, 10, 0), (0, 100, 10, None), (5, None, 10, None), (5, 100, 0, None), (6, 5, 1, None)],
)
def test_time_left_follows_from_the_rate_so_far(current, total, elapsed, left):
    assert format.time_left(current, total, elapsed) == left


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0"), (12345, "12,345"), (0.25, "0.25"), (2.0, "2"), (math.inf, "inf")]
)
def test_an_amount_has_thousands_and_two_decimals(number, shown):
    assert format.amount(number) == shown


@pytest.mark.parametrize(
    ("count", "seconds", "shown"),
    [(0, 1, "0.0/s"), (1, 0, "0.0/s"), (125, 10, "12.5/s"), (5000, 1, "5,000/s"), (1, 60, "1.0/min")],
)
def test_a_rate_is_by_the_second_or_the_minute(count, seconds, shown):
    assert format.rate(count, seconds) == shown


@pytest.mark.parametrize(("fraction", "shown"), [(0, "0 %"), (0.999, "99 %"), (1, "100 %"), (1.5, "150 %")])
def test_only_what_is_complete_is_100_percent(fraction, shown):
    assert format.percent(fraction) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**20, "1.0 MiB"), (2**50, "1024.0 TiB")]
)
def test_sizes_go_by_1024(count, shown):
    assert format.size(count) == shown


def test_words_are_counted():
    assert format.plural(1, "job") == "1 job"
    assert format.plural(1200, "process", "processes") == "1,200 processes"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(7 * 86_400, "7d"), (3_600, "1h"), (90, "90s"), (300, "5m"), (0.5, "0.5s"), (0, "0s")]
)
def test_a_setting_is_shown_as_it_may_be_written(seconds, shown):
    assert format.compact(seconds) == shown


@pytest.mark.parametrize("fraction", [-1, 0, 0.01, 0.5, 0.99, 1, 2])
def test_a_bar_has_its_width_whatever_it_shows(fraction):
    assert len(format.bar(fraction, 10)) == 10


def test_a_bar_is_full_when_all_is_done():
    assert format.bar(1, 4) == "████"
    assert format.bar(0.5, 4) == "██  "
