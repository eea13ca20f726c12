"""What `pack` and `unpack` give back."""

from __future__ import annotations

import json
import pickle
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard import BadArguments
from jobyard.builds import Placeholder, Storage
from jobyard.model.traceback import RemoteError

storage = Storage.from_url("sqlite:////nowhere/at/all.db")
"""Opens nothing: packing needs no store."""

texts = st.text(st.characters(exclude_categories=["Cs"]))
finite = st.floats(allow_nan=False, allow_infinity=False)
hashable = st.one_of(
    st.none(), st.booleans(), st.integers(), finite, texts, st.binary(), st.decimals(allow_nan=False),
    st.dates(), st.times(), st.timedeltas(), st.datetimes(timezones=st.none() | st.just(UTC)), st.uuids(),
)  # fmt: skip
values = st.recursive(
    hashable | st.complex_numbers(allow_nan=False, allow_infinity=False),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(hashable, inner),
        st.dictionaries(st.sampled_from(["$error", "$placeholder", "$tuple", "a"]), inner),
        st.frozensets(hashable),
        st.sets(hashable),
    ),
    max_leaves=10,
)


@given(values)
def test_what_was_packed_comes_back_with_its_types(value):
    back = storage.unpack(storage.pack(value))

    assert (back, type(back)) == (value, type(value))
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset, dict, list, tuple))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(value=values.filter(lambda value: value is not None))
def test_what_a_build_is_finished_with_comes_back(builds, finished, value):
    back = builds.get_build(finished(retval=value))["retval"]

    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [
        [date(2024, 1, 1), time(1, 2), timedelta(days=3), datetime(2024, 1, 1, tzinfo=UTC)],
        (Decimal("1.10"), uuid.UUID(int=5), b"\0\xff", PurePosixPath("/a")),
        {"nul": "\0", 1: "one", (2, 3): {4}},
        2**20_000,
        range(3),
    ],
    ids=type,
)
def test_types_that_come_back(value):
    assert storage.unpack(storage.pack(value)) == value


@pytest.mark.parametrize("value", [time(2, 30, fold=1), datetime(2024, 10, 27, 2, 30, fold=1)], ids=type)
def test_the_second_of_two_equal_times_stays_the_second(value):
    """On the day on which the clock is set back; `==` does not see it."""
    assert storage.unpack(storage.pack(value)).fold == 1


class Foreign:
    """A class of the user's."""

    def __repr__(self):
        return "<foreign \0 \udc80>"


class Rude:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize("value", [Foreign(), [Foreign()], float("nan"), float("inf"), "\udc80", Rude(), lambda: 0])
def test_anything_else_is_refused_or_becomes_a_placeholder(value):
    with pytest.raises(BadArguments):
        storage.pack(value)

    assert isinstance(storage.unpack(storage.pack(value, safe=True)), Placeholder)


def test_a_placeholder_has_the_repr():
    assert storage.unpack(storage.pack(Foreign(), safe=True)) == Placeholder("<foreign \\x00 \\udc80>")


def test_the_repr_of_something_huge_is_cut():
    huge = [Foreign()] * 10_000

    assert len(str(storage.unpack(storage.pack(huge, safe=True)))) <= 1000


def test_an_exception_comes_back_as_a_remote_error_without_its_traceback():
    try:
        raise KeyError("cat", 5)
    except KeyError as error:
        back = storage.unpack(storage.pack_exception(error))

    assert isinstance(back, RemoteError)
    assert (back.type, back.args, back.frames) == ("KeyError", ("cat", 5), [])
    assert str(back) == "KeyError: ('cat', 5)"


def test_an_exception_that_cannot_be_shown_can_be_packed():
    back = storage.unpack(storage.pack_exception(ValueError(Rude())))

    assert back.type == "ValueError"


@pytest.mark.parametrize("text", ["", "{", "nothing", b"\xff", None, 5, pickle.dumps([1])])
def test_what_was_not_packed_is_refused_or_becomes_a_placeholder(text):
    with pytest.raises(BadArguments):
        storage.unpack(text)

    assert isinstance(storage.unpack(text, safe=True), Placeholder)


def test_a_packed_value_is_json_and_may_come_as_bytes():
    packed = storage.pack({"a": [1, "x"]})

    assert json.loads(packed) == {"a": [1, "x"]}
    assert storage.unpack(packed.encode()) == {"a": [1, "x"]}


def test_a_dict_of_the_users_that_looks_like_a_tag_is_none():
    for value in ({"$error": {"type": "ValueError"}}, {"$placeholder": "x"}, {"$error": {}, "$placeholder": "x"}):
        assert storage.unpack(storage.pack(value)) == value
