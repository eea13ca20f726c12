"""Calls: how arguments are bound, stored, read again, and what is refused on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobyard.errors import BadArguments, BadResult, PayloadTooLarge
from jobyard.model.codec import JSON, canonical, decode_any, decode_any_arguments, from_json, pack, unpack
from jobyard.model.references import Ref, Reference, Retval, retval
from jobyard.model.signature import Signature

if TYPE_CHECKING:
    from decimal import Decimal


class Job(Reference):
    """As far as the codec sees it."""

    def __init__(self, id: int | None) -> None:
        self.id = id

    def as_retval(self) -> Retval:
        return Retval(job=self)


@dataclass
class Point:
    x: int
    y: int = 0


class Color(Enum):
    RED = "red"


def thumbnail(path: str, width: int = 200) -> str:
    return path * width


def nothing() -> None: ...


def untyped(first, second=2): ...


def wide(a: int, /, b: int, *rest: str, c: date | None = None, **more: float) -> list[Point]:
    return []


async def early(value: Later): ...


EARLY = Signature.of(early)


@dataclass
class Later:
    x: int


THUMBNAIL = Signature.of(thumbnail, "thumbnail")
WIDE = Signature.of(wide, "wide")
UNTYPED = Signature.of(untyped, "untyped")


def encode(signature: Signature, *args: Any, **kwargs: Any) -> tuple[str, list[Ref]]:
    return JSON.encode_arguments(signature, args, kwargs)


@pytest.mark.parametrize(
    ("signature", "args", "kwargs", "text"),
    [
        (Signature.of(nothing), (), {}, "[]"),
        (THUMBNAIL, ("cat.png",), {}, '[["cat.png"]]'),
        (THUMBNAIL, ("cat.png",), {"width": 100}, '[["cat.png"],{"width":100}]'),
        (THUMBNAIL, (), {"path": "a\0b"}, '[[],{"path":"a\\u0000b"}]'),
        (WIDE, (1, 2, "x", "y"), {"c": date(2024, 1, 1), "z": 1.5}, '[[1,2,"x","y"],{"c":"2024-01-01","z":1.5}]'),
    ],
)
def test_arguments_are_stored_as_the_caller_gave_them(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    assert JSON.encode_arguments(signature, args, kwargs) == (text, [])
    assert JSON.decode_arguments(signature, text) == (args, kwargs)


@pytest.mark.parametrize(
    ("signature", "args", "kwargs", "message"),
    [
        (THUMBNAIL, (3,), {}, "thumbnail: parameter 'path': expected str, got 3 (int)"),
        (THUMBNAIL, (), {}, "thumbnail: parameter 'path' is missing"),
        (THUMBNAIL, ("a",), {"with": 1}, "thumbnail: there is no parameter 'with' (known by name: path, width)"),
        (THUMBNAIL, ("a",), {"path": "b"}, "thumbnail: parameter 'path' is given twice, by position and by name"),
        (THUMBNAIL, ("a", 1, 2), {}, "thumbnail: takes at most 2 arguments by position (path, width), got 3"),
        (
            THUMBNAIL,
            (),
            {"x": 1},
            "thumbnail: there is no parameter 'x' (known by name: path, width); parameter 'path' is missing",
        ),
        (WIDE, (1,), {}, "wide: parameter 'b' is missing"),
        (WIDE, (), {"a": 1.0, "b": 2}, "wide: parameter 'a' is missing"),
        (WIDE, (1, 2, 3), {}, "wide: parameter 'rest': expected str, got 3 (int)"),
        (WIDE, (1, 2), {"more": "x"}, "wide: parameter 'more': expected float, got 'x'"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_and_the_parameter_named(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadArguments) as caught:
        JSON.encode_arguments(signature, args, kwargs)

    assert str(caught.value) == message


def test_a_long_value_is_shown_shortened() -> None:
    with pytest.raises(BadArguments) as caught:
        encode(THUMBNAIL, "cat.png", width="x" * 10_000)

    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("signature", [THUMBNAIL, UNTYPED])
def test_a_payload_over_the_limit_names_the_largest_parameter(signature: Signature) -> None:
    first = next(iter(signature.parameters))

    with pytest.raises(PayloadTooLarge, match=f"max_payload.*{first!r}"):
        JSON.encode_arguments(signature, ("x" * 10_000_000, 1), {}, 1 << 20)


def test_the_limit_counts_bytes_and_is_inclusive() -> None:
    text, _ = encode(THUMBNAIL, "ü" * 100)

    assert JSON.encode_arguments(THUMBNAIL, ("ü" * 100,), {}, len(text.encode()))[0] == text
    with pytest.raises(PayloadTooLarge):
        JSON.encode_arguments(THUMBNAIL, ("ü" * 100,), {}, len(text.encode()) - 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[],{"file":"a"}]', "no parameter 'file'"),
        ('[["a","wide"]]', "parameter 'width': expected int, got 'wide'"),
        ('[["a",1,2]]', "at most 2 arguments"),
        ("[]", "parameter 'path' is missing"),
        ('{"path":"a"}', "not in the form"),
        ("[[", "not in the form"),
    ],
)
def test_stored_arguments_that_no_longer_fit_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadArguments, match=message):
        JSON.decode_arguments(THUMBNAIL, text)


def test_stored_fields_that_no_longer_fit_are_refused() -> None:
    def draw(point: Point): ...

    signature = Signature.of(draw)

    with pytest.raises(BadArguments, match="'point': Point has no field 'z'"):
        JSON.decode_arguments(signature, '[[{"x":1,"z":2}]]')
    with pytest.raises(BadArguments, match="'point': Point needs a field 'x'"):
        JSON.decode_arguments(signature, '[[{"y":1}]]')
    assert JSON.decode_arguments(signature, '[[{"x":1}]]') == ((Point(1),), {})


def test_references_are_taken_out_and_their_values_put_in() -> None:
    def merge(parts: list[dict[str, Point]], *, total: int, extra=None): ...

    signature = Signature.of(merge)
    text, refs = encode(
        signature,
        [{"a": Point(1)}, {"b": Job(7), "c": Point(retval(op=0))}],  # type: ignore[arg-type]
        total=retval(-1),
        extra=({"deep": [retval("daily")]},),
    )

    assert [(ref.job, ref.op, ref.name) for ref in refs] == [
        (7, None, None),
        (None, 0, None),
        (-1, None, None),
        (None, None, "daily"),
    ]
    values = [(ref.path, value) for ref, value in zip(refs, [Point(2), 3, 4, date(2024, 1, 1)], strict=True)]
    assert JSON.decode_arguments(signature, text, values) == (
        ([{"a": Point(1)}, {"b": Point(2), "c": Point(3)}],),
        {"total": 4, "extra": ({"deep": [date(2024, 1, 1)]},)},
    )


def test_a_reference_starts_its_path_with_the_position_or_the_name() -> None:
    _, refs = encode(UNTYPED, {"a": [1, retval(5)]}, second=retval(6))

    assert refs == [Ref([0, "a", 1], job=5), Ref(["second"], job=6)]


def test_what_stands_beside_a_reference_is_still_checked() -> None:
    def total(numbers: list[int]): ...

    with pytest.raises(BadArguments, match=r"'numbers'\[1\]: expected int, got 'x'"):
        encode(Signature.of(total), [retval(1), "x"])


def test_a_value_put_in_must_fit_too() -> None:
    def total(numbers: list[int]): ...

    signature = Signature.of(total)
    text, (ref,) = encode(signature, [1, retval(1)])

    with pytest.raises(BadArguments, match=r"'numbers'\[1\]: expected int, got 'x'"):
        JSON.decode_arguments(signature, text, [(ref.path, "x")])


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (list[int], (1, 2), [1, 2]),
        (Point, {"x": 1}, Point(1)),
        (date, "2024-01-01", date(2024, 1, 1)),
        (list[date], [date(2024, 1, 1)], [date(2024, 1, 1)]),
        (float, 3, 3.0),
        (int | None, None, None),
        (datetime | str, "soon", "soon"),
        (Any, (Point(1), {2}), (Point(1), {2})),
    ],
)
def test_a_result_put_in_is_converted_where_the_annotation_asks_for_it(
    annotation: Any, given: Any, expected: Any
) -> None:
    def take(value): ...

    take.__annotations__ = {"value": annotation}
    signature = Signature.of(take)
    text, (ref,) = encode(signature, retval(1))

    (value,), _ = JSON.decode_arguments(signature, text, [(ref.path, given)])

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize("source", [Job(None), retval(0), retval("x").__class__(job=object())])
def test_a_reference_to_no_stored_job_is_refused(source: Any) -> None:
    with pytest.raises(BadArguments, match=r"'path'.*no stored job"):
        encode(THUMBNAIL, source)


def test_a_reference_cannot_be_a_key() -> None:
    with pytest.raises(BadArguments, match=r"'first'.*key of a dict"):
        encode(UNTYPED, {retval(1): 2})


@pytest.mark.parametrize(
    "data",
    [{"$tuple": [1]}, {"$ref": 1}, {"job": 1, "op": None}, {"$dict": [[1, 2]]}, {"$or": ["int", 1]}, {"$int": "0xff"}],
    ids=str,
)
@pytest.mark.parametrize("name", ["plain", "nested", "typed"])
def test_data_that_looks_like_ours_stays_data(data: Any, name: str) -> None:
    def take(plain=None, nested=None, typed: dict[str, Any] | None = None): ...

    value = [data] if name == "nested" else data
    signature = Signature.of(take)
    text, refs = encode(signature, **{name: value})

    assert refs == []
    assert JSON.decode_arguments(signature, text) == ((), {name: value})


def test_results_follow_the_return_annotation() -> None:
    text = JSON.encode_result(WIDE, [Point(1, 2)])

    assert text == '[{"x":1,"y":2}]'
    assert JSON.decode_result(WIDE, text) == [Point(1, 2)]


@pytest.mark.parametrize("signature", [THUMBNAIL, UNTYPED])
def test_no_result_is_none(signature: Signature) -> None:
    assert JSON.encode_result(signature, None) is None
    assert JSON.decode_result(signature, None) is None


@pytest.mark.parametrize(
    ("signature", "value", "message"),
    [
        (THUMBNAIL, 3, "the result: expected str, got 3"),
        (THUMBNAIL, "\ud800", "the result: .*surrogates"),
        (WIDE, [Point("x")], r"the result\[0\]\.x: expected int"),  # type: ignore[arg-type]
        (UNTYPED, float("nan"), "the result: nan"),
        (UNTYPED, [object()], r"the result\[0\]: .*annotation"),
        (UNTYPED, [retval(3)], "the result: .*reference"),
    ],
)
def test_a_result_that_cannot_be_stored_is_a_bad_result(signature: Signature, value: Any, message: str) -> None:
    with pytest.raises(BadResult, match=message):
        JSON.encode_result(signature, value)


def test_a_result_over_the_limit_is_too_large() -> None:
    with pytest.raises(PayloadTooLarge, match="thumbnail: the result has 102 bytes"):
        JSON.encode_result(THUMBNAIL, "x" * 100, 101)


def test_a_stored_result_that_no_longer_fits_is_a_bad_result() -> None:
    with pytest.raises(BadResult, match="expected str, got 3"):
        JSON.decode_result(THUMBNAIL, "3")


def test_values_in_json_become_what_the_parameters_ask_for() -> None:
    def take(day: date, point: Point, *, names: dict[int, Path], color: Color, more=None): ...

    args, kwargs = from_json(
        Signature.of(take),
        ["2024-01-01", {"x": 3}],
        {"names": {"1": "a/b"}, "color": "red", "more": {"$tuple": [1]}},
    )

    assert args == (date(2024, 1, 1), Point(3))
    assert kwargs == {"names": {1: Path("a/b")}, "color": Color.RED, "more": {"$tuple": [1]}}


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [([3], {}, "'path': expected str"), (["a"], {"width": "1"}, "'width': expected int"), (["a"], {"x": 1}, "'x'")],
)
def test_values_in_json_that_do_not_fit_are_refused(args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(BadArguments, match=message):
        from_json(THUMBNAIL, args, kwargs)


def test_calls_that_mean_the_same_have_one_canonical_text() -> None:
    calls = [
        canonical(THUMBNAIL, ("a",), {}),
        canonical(THUMBNAIL, ("a", 200), {}),
        canonical(THUMBNAIL, (), {"path": "a"}),
        canonical(THUMBNAIL, (), {"width": 200, "path": "a"}),
    ]

    assert set(calls) == {calls[0]}


def test_calls_that_differ_have_different_canonical_texts() -> None:
    texts = [
        canonical(UNTYPED, (1,), {}),
        canonical(UNTYPED, ("1",), {}),
        canonical(UNTYPED, (1, 3), {}),
        canonical(UNTYPED, (None,), {}),
        canonical(UNTYPED, (retval(1),), {}),
        canonical(UNTYPED, (retval(2),), {}),
        canonical(UNTYPED, (retval(op=1),), {}),
        canonical(UNTYPED, ([None],), {}),
        canonical(WIDE, (1, 2, "a"), {}),
        canonical(WIDE, (1, 2), {"rest": 1.0}),
    ]

    assert len(set(texts)) == len(texts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$set", "$dict", "$or", "$int", "$range", "$date", "a"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=150, deadline=None)
def test_any_json_can_be_read_without_its_task(value: Any) -> None:
    text = msgspec.json.encode(value).decode()

    decode_any(text)
    decode_any_arguments(text)
    decode_any_arguments(f"[[{text}]]")


@pytest.mark.parametrize("text", ["[[", "nonsense", '[{"$set":[[1]]}]', "pickle:a:b"])
def test_text_that_is_none_of_ours_is_read_as_it_is(text: str) -> None:
    decode_any(text)
    decode_any_arguments(text)


def test_stored_calls_and_results_can_be_read_without_their_task() -> None:
    text, _ = encode(UNTYPED, (1, {2}), second=retval(5))

    assert decode_any_arguments(text) == (((1, {2}),), {"second": None})
    assert decode_any_arguments("[]") == ((), {})
    assert decode_any(JSON.encode_result(UNTYPED, (1, 2))) == (1, 2)
    assert decode_any(None) is None


def test_pack_refuses_what_it_cannot_bring_back() -> None:
    assert unpack(pack({1: (date(2024, 1, 1), b"\0")})) == {1: (date(2024, 1, 1), b"\0")}
    with pytest.raises(BadArguments):
        pack(object())
    with pytest.raises(BadArguments, match="reference"):
        pack([retval(1)])


@dataclass
class Resize:
    path: Path
    sizes: list[int] = field(default_factory=list)
    kind: str = field(default="png", kw_only=True)

    def run(self) -> Point:
        return Point(1)


def test_the_fields_of_a_class_are_the_parameters_of_its_task() -> None:
    signature = Signature.of(Resize)

    text, _ = encode(signature, Path("a"), [1], kind="jpg")
    args, kwargs = JSON.decode_arguments(signature, text)

    assert Resize(*args, **kwargs) == Resize(Path("a"), [1], kind="jpg")
    assert JSON.decode_result(signature, JSON.encode_result(signature, Point(1))) == Point(1)
    with pytest.raises(BadArguments, match=r"Resize: parameter 'sizes'\[0\]: expected int"):
        encode(signature, Path("a"), ["x"])


def test_an_annotation_may_speak_of_a_class_that_comes_later() -> None:
    text, _ = encode(EARLY, Later(3))

    assert JSON.decode_arguments(EARLY, text) == ((Later(3),), {})
    with pytest.raises(BadArguments, match="'value': expected Later"):
        encode(EARLY, "x")


def test_a_name_that_only_the_type_checker_knows_counts_as_no_annotation() -> None:
    from decimal import Decimal as Number

    def pay(amount: Decimal, times: int): ...

    signature = Signature.of(pay)
    text, _ = encode(signature, Number("1.50"), 2)

    assert JSON.decode_arguments(signature, text) == ((Number("1.50"), 2), {})
    with pytest.raises(BadArguments, match="'times': expected int"):
        encode(signature, Number("1.50"), "2")


def test_classes_local_to_a_function_are_known() -> None:
    @dataclass
    class Local:
        next: Local | None = None

    def take(value: Local) -> Local: ...

    signature = Signature.of(take)
    text, _ = encode(signature, Local(Local()))

    assert JSON.decode_arguments(signature, text) == ((Local(Local()),), {})


def test_wrapped_and_partial_functions_and_callable_objects_have_signatures() -> None:
    class Caller:
        def __call__(self, value: int) -> int:
            return value

    for function in (partial(thumbnail, "a"), Caller()):
        with pytest.raises(BadArguments, match="expected int"):
            JSON.encode_arguments(Signature.of(function), (), {list(Signature.of(function).parameters)[-1]: "x"})
