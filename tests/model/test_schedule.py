"""When a definition runs next: intervals, cron with time zones, back-off and jitter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.model.instants import from_micros, to_micros
from jobyard.model.schedule import Schedule, due_of, interval, next_slot

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000_000


def slots(cron, start, count, zone=BERLIN):
    """The next slots of punctual runs, as people there read the clock."""
    schedule = Schedule(cron=cron, timezone=zone.key if isinstance(zone, ZoneInfo) else None)
    found = accumulate(range(count + 1), lambda slot, _: next_slot(schedule, slot, slot), initial=to_micros(start))
    return [f"{from_micros(slot).astimezone(zone):%m-%d %H:%M %z}" for slot in list(found)[1 : count + 1]]


def test_an_interval_counts_from_the_slot():
    assert next_slot(Schedule(every=3600), 10 * HOUR, 10 * HOUR + 5) == 11 * HOUR


def test_missed_intervals_collapse_into_now():
    assert next_slot(Schedule(every=3600), 10 * HOUR, 50 * HOUR) == 50 * HOUR


@pytest.mark.parametrize(("failures", "factor"), [(0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (11, 1024), (60, 1024)])
def test_failures_double_the_interval(failures, factor):
    assert next_slot(Schedule(every=3600), 0, 0, failures=failures) == factor * HOUR


@pytest.mark.parametrize(("failures", "hours"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_with_cron_failures_pass_slots_over(failures, hours):
    assert next_slot(Schedule(cron="0 * * * *"), 0, 0, failures=failures) == hours * HOUR


@pytest.mark.parametrize(
    "schedule", [Schedule(every=3650 * 86_400), Schedule(cron="0 0 29 2 *"), Schedule(cron="0 0 1 1 *")]
)
def test_no_slot_is_further_ahead_than_a_hundred_years(schedule):
    now = to_micros(datetime(2026, 1, 1, tzinfo=UTC))

    assert from_micros(next_slot(schedule, now, now, failures=11)) == from_micros(now) + timedelta(days=36_500)


def test_missed_cron_slots_are_gone():
    assert next_slot(Schedule(cron="0 * * * *"), 0, 50 * HOUR + 7) == 51 * HOUR


def test_a_clock_that_went_back_gives_no_slot_twice():
    assert next_slot(Schedule(cron="0 * * * *"), 10 * HOUR, 5 * HOUR) == 11 * HOUR


def test_a_time_that_the_day_does_not_have_comes_right_after_the_gap():
    found = slots("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 3)

    assert found == ["03-29 03:00 +0200", "03-30 02:30 +0200", "03-31 02:30 +0200"]


def test_a_time_that_the_day_has_twice_counts_once():
    found = slots("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 3)

    assert found == ["10-25 02:30 +0200", "10-26 02:30 +0100", "10-27 02:30 +0100"]


def test_every_half_hour_follows_the_clock_on_the_wall_both_ways():
    spring = slots("*/30 * * * *", datetime(2026, 3, 29, 1, 15, tzinfo=BERLIN), 3)
    autumn = slots("*/30 * * * *", datetime(2026, 10, 25, 1, 45, tzinfo=BERLIN), 5)

    assert spring == ["03-29 01:30 +0100", "03-29 03:00 +0200", "03-29 03:30 +0200"]
    assert autumn == [
        *("10-25 02:00 +0200", "10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100", "10-25 03:00 +0100"),
    ]


def test_the_29th_of_february_comes_every_four_years():
    found = next_slot(Schedule(cron="0 0 29 2 *"), 0, to_micros(datetime(2026, 3, 1, tzinfo=UTC)))

    assert from_micros(found) == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"])
def test_odd_zones_have_one_run_a_day(zone):
    found = slots("15 2 * * *", datetime(2026, 1, 1, tzinfo=UTC), 365, ZoneInfo(zone))

    assert len({each.split()[0] for each in found}) == 365


@given(
    cron=st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 */6 * * *", "0 0 1 * *", "30 1-3 * * 0"]),
    hours=st.integers(0, 24 * 365),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "UTC", None]),
)
def test_the_next_slot_is_always_later(cron, hours, zone):
    now = to_micros(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=hours % 60))

    assert next_slot(Schedule(cron=cron, timezone=zone), now, now) > now


def test_the_interval_of_cron_is_the_time_to_its_next_slot():
    assert interval(Schedule(cron="0 3 * * *"), HOUR) == 2 * 3600
    assert interval(Schedule(every=90), 0) == 90
    assert interval(Schedule(), 0) is None


def test_jitter_is_a_place_of_its_own_for_each_name():
    schedule = Schedule(every=3600, jitter=600)
    places = [due_of(schedule, f"d{index}", HOUR) - HOUR for index in range(1000)]

    assert all(0 <= place < 600_000_000 for place in places)
    assert min(places) < 30_000_000
    assert max(places) > 570_000_000
    assert due_of(schedule, "d1", 5 * HOUR) - 5 * HOUR == places[1]
    assert due_of(Schedule(every=3600), "d1", HOUR) == HOUR
