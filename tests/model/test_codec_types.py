"""What is given comes back: equal, of the same type, annotated and not."""

from __future__ import annotations

import enum
import json
import math
import sys
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.errors import BadArguments
from jobyard.model.codec import JSON, pack, unpack
from jobyard.model.references import Retval
from jobyard.model.shapes import Mismatch
from jobyard.model.signature import Signature

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Odd(enum.Enum):
    A = (1, 2)
    B = "b"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.children)


@dataclass
class Box(Generic[T]):
    content: T


class Pair(NamedTuple):
    left: int
    right: str = "r"


class User(msgspec.Struct):
    name: str
    born: date | None = None


class Nested:
    class Inner(enum.Enum):
        ONE = 1


class Options(TypedDict):
    width: int
    title: NotRequired[str]


UserId = NewType("UserId", int)

texts = st.text(max_size=8)
ints = st.integers() | st.integers(-(2**300), 2**300)
floats = st.floats(allow_nan=False, allow_infinity=False)
offsets = st.integers(-82_800, 82_800).map(lambda seconds: timezone(timedelta(seconds=seconds)))
zones = st.none() | offsets | st.sampled_from([ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns"), UTC])
datetimes = st.datetimes(timezones=zones)
points = st.builds(Point, ints, floats)

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: ints,
    bool: st.booleans(),
    float: floats,
    complex: st.complex_numbers(allow_nan=False, allow_infinity=False),
    bytes: st.binary(max_size=8),
    bytearray: st.binary(max_size=8).map(bytearray),
    datetime: datetimes,
    date: st.dates(),
    time: st.times(timezones=st.none() | offsets),
    timedelta: st.timedeltas(),
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False),
    Path: texts.filter(lambda text: "\0" not in text).map(Path),
    PurePosixPath: texts.map(PurePosixPath),
    PureWindowsPath: texts.map(PureWindowsPath),
}
ANNOTATED: dict[Any, st.SearchStrategy[Any]] = {
    **SCALARS,
    None: st.none(),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Odd: st.sampled_from(Odd),
    Rights: st.sampled_from([Rights.READ, Rights.READ | Rights.WRITE, Rights(0)]),
    Literal["a", 1, True, Color.RED]: st.sampled_from(["a", 1, True, Color.RED]),
    UserId: ints,
    Point: points,
    Tree: st.recursive(st.builds(Tree, texts), lambda inner: st.builds(Tree, texts, st.lists(inner, max_size=2))),
    Box[date]: st.builds(Box, st.dates()),
    Pair: st.builds(Pair, ints, texts),
    User: st.builds(User, texts, st.none() | st.dates()),
    Options: st.fixed_dictionaries({"width": ints}, optional={"title": texts}),
    list[int]: st.lists(ints),
    list[float | None]: st.lists(floats | st.none()),
    list[list[Point]]: st.lists(st.lists(points, max_size=3), max_size=3),
    tuple[int, str, date]: st.tuples(ints, texts, st.dates()),
    tuple[Point, ...]: st.lists(points, max_size=3).map(tuple),
    tuple[()]: st.just(()),
    set[str]: st.sets(texts),
    frozenset[tuple[int, str]]: st.frozensets(st.tuples(ints, texts), max_size=3),
    deque[int]: st.lists(ints).map(deque),
    dict[str, int]: st.dictionaries(texts | st.just("$tuple"), ints),
    dict[int, Point]: st.dictionaries(ints, points, max_size=3),
    dict[tuple[int, date], Color]: st.dictionaries(st.tuples(ints, st.dates()), st.sampled_from(Color), max_size=3),
    OrderedDict[str, int]: st.dictionaries(texts, ints).map(OrderedDict),
    Sequence[int]: st.lists(ints),
    Mapping[str, date]: st.dictionaries(texts, st.dates()),
    int | str | None: ints | texts | st.none(),
    datetime | str: datetimes | texts,
    list[int] | tuple[int, ...] | set[int]: st.lists(ints) | st.lists(ints).map(tuple) | st.sets(ints),
    Point | User | dict[str, int]: points | st.builds(User, texts) | st.dictionaries(texts | st.just("$or"), ints),
    Annotated[int, "a note"]: ints,
}
hashable = st.one_of(st.none(), *(s for t, s in SCALARS.items() if t is not bytearray))
ANYTHING = st.recursive(
    st.one_of(st.none(), *SCALARS.values(), st.builds(range, st.integers(-5, 5), st.integers(-5, 5))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(hashable | st.tuples(hashable) | st.sampled_from(["$tuple", "$dict", "$x"]), inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.frozensets(hashable, max_size=3),
    ),
    max_leaves=8,
)


def function_of(annotation: Any) -> Signature:
    def function(value): ...

    function.__annotations__ = {"value": annotation, "return": annotation}
    return Signature.of(function, "task")


def exactly(value: object) -> object:
    """The value with its types, so that 1, 1.0 and True differ, and -0.0 from 0.0."""
    if isinstance(value, float):
        return float, value, math.copysign(1, value)
    if isinstance(value, (list, tuple, deque)):
        return type(value), tuple(exactly(item) for item in value)
    if isinstance(value, dict):
        return type(value), tuple((exactly(key), exactly(item)) for key, item in value.items())
    if isinstance(value, (set, frozenset)):
        return type(value), {exactly(item) for item in value}
    if isinstance(value, datetime):
        return datetime, value.replace(tzinfo=None), value.utcoffset(), getattr(value.tzinfo, "key", None)
    return type(value), value


@pytest.mark.parametrize("annotation", ANNOTATED, ids=str)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_an_annotated_argument_and_result_come_back(annotation: Any, data: st.DataObject) -> None:
    signature = function_of(annotation)
    value = data.draw(ANNOTATED[annotation])

    text, refs = JSON.encode_arguments(signature, (value,), {})
    (restored,), kwargs = JSON.decode_arguments(signature, text)

    assert (exactly(restored), kwargs, refs) == (exactly(value), {}, [])
    assert exactly(JSON.decode_result(signature, JSON.encode_result(signature, value))) == exactly(value)


@given(ANYTHING)
@settings(max_examples=250, deadline=None)
def test_a_value_without_annotation_comes_back(value: object) -> None:
    def function(value): ...

    signature = Signature.of(function)
    text, _ = JSON.encode_arguments(signature, (), {"value": value})

    assert exactly(JSON.decode_arguments(signature, text)[1]["value"]) == exactly(value)
    assert exactly(unpack(pack(value))) == exactly(value)


@given(ANYTHING)
@settings(max_examples=40, deadline=None)
def test_a_value_without_annotation_comes_back_from_inside_an_annotated_one(value: object) -> None:
    signature = function_of(dict[str, list[Any] | date])

    text, _ = JSON.encode_arguments(signature, ({"k": [value]},), {})

    assert exactly(JSON.decode_arguments(signature, text)[0]) == exactly(({"k": [value]},))


@given(st.sets(texts | ints))
@settings(max_examples=30, deadline=None)
def test_equal_sets_have_equal_texts(value: set[Any]) -> None:
    other = set()
    for item in reversed(list(value)):
        other.add(item)

    assert pack(other) == pack(value)


class Foreign:
    """A class that nobody told how to store."""


NAN, INF, SURROGATE = math.nan, math.inf, "\ud800"
REFUSED = [
    (str, 3, "expected str, got 3"),
    (str, None, "expected str, got None"),
    (str, b"x", "expected str"),
    (int, "3", "expected int, got '3'"),
    (int, 3.0, "expected int"),
    (datetime, "2024-01-01", "expected datetime"),
    (date, datetime(2024, 1, 1), "expected date"),
    (Color, "red", "expected Color"),
    (Point, {"x": 1}, "expected Point"),
    (Point, Point("a"), r"\.x: expected int, got 'a'"),  # type: ignore[arg-type]
    (list[Point], [Point(1), Point(1, NAN)], r"\[1\]\.y: nan"),
    (list[int], (1, 2), "expected list"),
    (list[int], [1, "x"], r"\[1\]: expected int"),
    (dict[str, int], {"a": 1, "b": "x"}, r"\['b'\]: expected int"),
    (dict[str, int], {1: 1}, "expected str, got 1"),
    (tuple[int, str], (1,), "expected tuple"),
    (Literal["a", "b"], "c", "'a' | 'b'"),
    (int | None, "x", "expected int | None, got 'x'"),
    (Options, {"width": 1, "height": 2}, "no key 'height'"),
    (Options, {}, "needs a key 'width'"),
    (Annotated[int, msgspec.Meta(ge=0)], -1, ">= 0"),
    (float, NAN, "nan"),
    (float, INF, "inf"),
    (list[float | None], [1.0, None, NAN], r"\[2\]: nan"),
    (list[float], [1.0, -INF], r"\[1\]: -inf"),
    (complex, complex(1, NAN), "nan"),
    (str, SURROGATE, "surrogates"),
    (list[str], ["a", SURROGATE], "surrogates"),
    (dict[str, int], {SURROGATE: 1}, "surrogates"),
    (Path, Path(SURROGATE), "surrogates"),
    (Foreign, Foreign(), "cannot be stored"),
    (Any, NAN, "nan"),
    (Any, {"a": [(INF,)]}, "inf"),
    (Any, {"a": SURROGATE}, "surrogates"),
    (Any, Foreign(), "annotation"),
    (Any, [Foreign()], r"\[0\].*annotation"),
    (Any, Point(1, NAN), r"\.y: nan"),
    (Any, {"a": Point("x")}, r"\['a'\]\.x: expected int"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED)
def test_what_would_not_come_back_is_refused_and_the_parameter_named(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(BadArguments, match=rf"^task: parameter 'value'.*{message}") as caught:
        JSON.encode_arguments(function_of(annotation), (value,), {})

    assert SURROGATE not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Level.HIGH,
        Odd.A,
        Rights.READ | Rights.WRITE,
        Point(1, 2.5),
        Tree("root", [Tree("leaf")]),
        Box([Color.BLUE, Point(3)]),
        Pair(1, "x"),
        User("ann", date(2024, 2, 29)),
        Nested.Inner.ONE,
        {"a": [(Point(1), {Color.RED, Color.BLUE})], Color.RED: Pair(2)},
    ],
)
def test_enums_and_records_come_back_without_an_annotation(value: Any) -> None:
    signature = function_of(Any)
    text, _ = JSON.encode_arguments(signature, (value,), {})
    [restored], _ = JSON.decode_arguments(signature, text)

    for back in (unpack(pack(value)), restored):
        assert (back, type(back)) == (value, type(value))


def test_a_result_put_into_a_record_comes_back_in_it() -> None:
    signature = function_of(Any)
    text, [ref] = JSON.encode_arguments(signature, (Box(Retval(7)),), {})

    assert JSON.decode_arguments(signature, text, [(ref.path, Point(1))]) == ((Box(Point(1)),), {})


def test_a_class_that_cannot_be_found_again_is_refused() -> None:
    @dataclass
    class Local:
        x: int

    with pytest.raises(BadArguments, match=r"its class is not to be found as .*Local"):
        pack(Local(1))


@pytest.mark.parametrize(
    "name", ["antigravity:fly", "os:system", "sys:nothing", f"{__name__}:Foreign", f"{__name__}:T", "builtins:dict"]
)
def test_nothing_is_imported_or_made_that_the_data_name(name: str) -> None:
    with pytest.raises(Mismatch, match=f"no class {name} here"):
        unpack(json.dumps({"$class": [name, {}]}))

    assert "antigravity" not in sys.modules


def test_what_only_looks_like_a_class_is_what_it_says() -> None:
    for data in ({"$class": "a:b"}, {"$class": [1, 2]}, {"$class": ["plain", 2]}, {"$class": ["a:b", 1, 2]}):
        assert unpack(json.dumps(data)) == data
        assert unpack(pack(data)) == data


def test_a_subclass_is_refused_where_it_would_come_back_as_its_base() -> None:
    @dataclass(frozen=True)
    class Point3(Point):
        z: int = 0

    with pytest.raises(BadArguments, match="expected Point, got"):
        JSON.encode_arguments(function_of(Point), (Point3(1),), {})


@pytest.mark.parametrize("annotation", [int, Any, list[int], dict[str, list[int | None]]])
@pytest.mark.parametrize(
    "number", [2**63, 2**64, -(2**64), 10**5000, -(7**9000)], ids=["2^63", "2^64", "-", "big", "-big"]
)
def test_whole_numbers_of_any_size_come_back(annotation: Any, number: int) -> None:
    signature = function_of(annotation)
    value = {int: number, Any: {"$int": (number, {number})}, list[int]: [1, number]}.get(annotation, {"k": [number]})

    text, _ = JSON.encode_arguments(signature, (value,), {})
    (restored,), _ = JSON.decode_arguments(signature, text)

    assert exactly(restored) == exactly(value)
    assert JSON.decode_result(signature, JSON.encode_result(signature, value)) == value


def test_an_int_may_be_given_for_a_float() -> None:
    signature = function_of(list[float])

    text, _ = JSON.encode_arguments(signature, ([1, 2.5],), {})

    assert exactly(JSON.decode_arguments(signature, text)[0][0]) == exactly([1.0, 2.5])


def test_a_member_of_a_text_enumeration_comes_back_as_plain_text_where_text_is_asked_for() -> None:
    class Size(enum.StrEnum):
        SMALL = "small"

    signature = function_of(str)
    text, _ = JSON.encode_arguments(signature, (Size.SMALL,), {})

    assert exactly(JSON.decode_arguments(signature, text)[0][0]) == exactly("small")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(BadArguments, match="'value' is nested too deep, or holds itself"):
        JSON.encode_arguments(function_of(Any), (value,), {})


def test_a_pydantic_model_is_told_by_its_methods() -> None:
    class Model:
        """As pydantic's: it validates and dumps itself."""

        def __init__(self, size: int) -> None:
            self.size = size

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Model) and other.size == self.size

        __hash__ = None  # type: ignore[assignment]

        def model_dump_json(self, *, by_alias: bool, round_trip: bool) -> str:
            return f'{{"size": {self.size}}}' if by_alias and round_trip else ""

        @classmethod
        def model_validate_json(cls, text: str | bytes) -> Model:
            data = msgspec.json.decode(text)
            if not isinstance(data.get("size"), int):
                raise ValueError("size must be\na number")
            return cls(data["size"])

    signature = function_of(list[Model])
    text, _ = JSON.encode_arguments(signature, ([Model(3)],), {})

    assert JSON.decode_arguments(signature, text)[0] == ([Model(3)],)
    with pytest.raises(BadArguments, match=r"'value'\[0\]: Model: size must be a number"):
        JSON.decode_arguments(signature, '[[[{"size":"x"}]]]')
    with pytest.raises(BadArguments, match="expected Model"):
        JSON.encode_arguments(signature, ([{"size": 3}],), {})
