"""How often a failed attempt is tried again, and when."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard import BadArguments
from jobyard.model.retry import NO_RETRY, Retry, class_name

MIDDLE = 0.5
"""The chance that leaves a wait as it is."""


def names(exception: type[BaseException]) -> list[str]:
    return [class_name(cls) for cls in exception.__mro__]


def test_without_a_delay_ten_attempts_stretch_over_19_minutes():
    waits = [Retry(10).wait(n, MIDDLE) for n in range(1, 10)]

    assert waits == [17, 19, 23, 31, 47, 79, 143, 271, 527]


def test_with_a_delay_each_wait_is_longer_by_the_factor():
    policy = Retry(5, delay="10s", factor=3)

    assert [policy.wait(n, MIDDLE) for n in (1, 2, 3)] == [10, 30, 90]


def test_factor_one_waits_the_same_each_time():
    assert {Retry(5, delay=7, factor=1).wait(n, MIDDLE) for n in range(1, 100)} == {7}


@pytest.mark.parametrize("policy", [Retry(99), Retry(99, delay=1), Retry(99, delay=1, factor=1e300)])
def test_the_longest_wait_is_six_hours(policy):
    assert policy.wait(98, MIDDLE) == 6 * 3600


def test_the_longest_wait_can_be_chosen():
    assert Retry(9, max_delay=timedelta(minutes=1)).wait(8, MIDDLE) == 60


def test_jitter_varies_the_wait_to_both_sides():
    policy = Retry(5, delay=100, factor=1, jitter=0.2)

    assert policy.wait(1, 0) == pytest.approx(80)
    assert policy.wait(1, 1) == pytest.approx(120)


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1), factor=st.floats(0, 1e300), delay=st.floats(0, 1e9))
def test_a_wait_is_never_negative_nor_beyond_the_longest(failures, chance, factor, delay):
    wait = Retry(2, delay=delay, factor=factor).wait(failures, chance)

    assert 0 <= wait <= 6 * 3600 * 1.15 + 0.001


def test_any_exception_is_worth_another_attempt():
    assert Retry(2).applies_to(names(KeyError))


def test_what_is_no_exception_is_not():
    assert not Retry(2).applies_to(names(SystemExit))


def test_on_takes_subclasses_along_and_leaves_others():
    policy = Retry(2, on=[OSError])

    assert policy.applies_to(names(ConnectionResetError))
    assert not policy.applies_to(names(ValueError))


def test_give_up_on_goes_before_on():
    policy = Retry(2, on=[OSError], give_up_on=[FileNotFoundError])

    assert policy.applies_to(names(OSError))
    assert not policy.applies_to(names(FileNotFoundError))


def test_exceptions_can_be_named():
    assert Retry(2, on=["builtins:OSError"]) == Retry(2, on=[OSError])


def test_no_retry_is_one_attempt():
    assert NO_RETRY.attempts == 1


@pytest.mark.parametrize("attempts", [0, -1, True, 2.0, "3", None])
def test_attempts_is_a_whole_number_from_one(attempts):
    with pytest.raises(BadArguments, match="attempts"):
        Retry(attempts)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"factor": -1}, "factor"),
        ({"factor": float("inf")}, "factor"),
        ({"factor": float("nan")}, "factor"),
        ({"jitter": 1}, "jitter"),
        ({"jitter": -0.1}, "jitter"),
        ({"delay": -1}, "delay"),
        ({"delay": "soon"}, "delay"),
        ({"max_delay": "soon"}, "max_delay"),
    ],
)
def test_bad_options_are_named(options, named):
    with pytest.raises(BadArguments, match=named):
        Retry(2, **options)


def test_it_is_frozen():
    with pytest.raises(FrozenInstanceError):
        Retry(2).attempts = 3


def test_it_survives_being_stored():
    policy = Retry(5, delay="90s", factor=1.5, on=[OSError, "shop.errors:Busy"], give_up_on=[KeyError])

    assert msgspec.json.decode(msgspec.json.encode(policy), type=Retry) == policy
