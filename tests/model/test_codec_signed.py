"""Signed pickles: what JSON cannot say, and nothing that was not signed."""

from __future__ import annotations

import base64
import pickle
from collections import Counter
from typing import Any

import pytest

from jobyard.errors import BadArguments, BadResult, PayloadTooLarge, UsageError
from jobyard.model.references import Ref, retval
from jobyard.model.signature import Signature
from jobyard.model.signed import SignedPickle

CODEC = SignedPickle("0123456789abcdef")


def count(words, *more, top: Any = None): ...


COUNT = Signature.of(count, "count")


class Bomb:
    """Unpickling it is noticed."""

    exploded = False

    def __reduce__(self) -> Any:
        return _explode, ()


def _explode() -> None:
    Bomb.exploded = True


def test_what_pickle_can_say_comes_back() -> None:
    args, kwargs = (Counter("abca"), {3.5: float("inf")}), {"top": Counter}

    text, refs = CODEC.encode_arguments(COUNT, args, kwargs)

    assert refs == []
    assert text.startswith("pickle:")
    assert CODEC.decode_arguments(COUNT, text) == (args, kwargs)
    assert CODEC.decode_any_arguments(text) == (args, kwargs)


def test_results_come_back() -> None:
    text = CODEC.encode_result(COUNT, Counter("aa"))

    assert CODEC.decode_result(COUNT, text) == Counter("aa")
    assert CODEC.decode_any(text) == Counter("aa")
    assert CODEC.encode_result(COUNT, None) is None
    assert CODEC.decode_result(COUNT, None) is None


def test_references_are_taken_out_and_their_values_put_in() -> None:
    text, refs = CODEC.encode_arguments(COUNT, ([retval(1), {"a": retval(-1)}], 5), {"top": retval(op=0)})

    assert refs == [Ref([0, 0], job=1), Ref([0, 1], job=-1), Ref(["top", 0], op=0)]
    values = [(ref.path, value) for ref, value in zip(refs, ["one", "two", "three"], strict=True)]
    assert CODEC.decode_arguments(COUNT, text, values) == ((["one", {"a": "two"}], 5), {"top": "three"})
    assert CODEC.decode_any_arguments(text) == (([None, {"a": None}], 5), {"top": None})


def test_nothing_is_unpickled_that_is_not_signed_with_a_known_key() -> None:
    foreign = SignedPickle(b"another key of theirs")
    _, mac, data = CODEC.encode_arguments(COUNT, ("x",), {})[0].split(":")
    bomb = base64.b64encode(pickle.dumps(Bomb())).decode()
    texts = [
        foreign.encode_arguments(COUNT, (Bomb(),), {})[0],
        foreign.encode_result(COUNT, Bomb()),
        f"pickle:{mac}:{bomb}",
        f"pickle::{bomb}",
        f"pickle:{mac}:A{data[1:]}",
        f"other:{mac}:{data}",
        bomb,
        '[["x"]]',
        "[]",
        "pickle:ü:ü",
    ]

    for text in texts:
        with pytest.raises(BadArguments, match="not signed"):
            CODEC.decode_arguments(COUNT, text or "")
        with pytest.raises(BadArguments, match="not signed"):
            CODEC.decode_any_arguments(text or "")
        with pytest.raises(BadResult, match="not signed"):
            CODEC.decode_result(COUNT, text)
    assert not Bomb.exploded


def test_a_signed_result_is_no_signed_argument() -> None:
    text = CODEC.encode_result(COUNT, {0: pickle.dumps("x")})

    with pytest.raises(BadArguments, match="not signed"):
        CODEC.decode_arguments(COUNT, text or "")


def test_an_older_key_still_reads_and_no_longer_signs() -> None:
    renewed = SignedPickle(b"the new key of ours", "0123456789abcdef")
    text, _ = CODEC.encode_arguments(COUNT, ("x",), {})

    assert renewed.decode_arguments(COUNT, text) == (("x",), {})
    with pytest.raises(BadArguments, match="not signed"):
        CODEC.decode_arguments(COUNT, renewed.encode_arguments(COUNT, ("x",), {})[0])


def test_bad_calls_are_refused_and_the_parameter_named() -> None:
    with pytest.raises(BadArguments, match="count: parameter 'words' is missing"):
        CODEC.encode_arguments(COUNT, (), {})
    with pytest.raises(BadArguments, match="count: parameter 'more' cannot be pickled"):
        CODEC.encode_arguments(COUNT, (1, 2, lambda: None), {})
    with pytest.raises(PayloadTooLarge, match="parameter 'top'"):
        CODEC.encode_arguments(COUNT, ("a",), {"top": "x" * 5000}, 1000)
    with pytest.raises(BadResult, match="cannot be pickled"):
        CODEC.encode_result(COUNT, lambda: None)
    with pytest.raises(PayloadTooLarge, match="result"):
        CODEC.encode_result(COUNT, "x" * 5000, 1000)


def test_stored_arguments_of_a_parameter_that_is_gone_are_refused() -> None:
    def count(text): ...

    stored, _ = CODEC.encode_arguments(COUNT, (), {"words": "x"})

    with pytest.raises(BadArguments, match="no parameter 'words'"):
        CODEC.decode_arguments(Signature.of(count), stored)


@pytest.mark.parametrize("keys", [("",), (b"good enough for us", "")])
def test_an_empty_key_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="key"):
        SignedPickle(*keys)


def test_keys_are_not_shown() -> None:
    assert "0123" not in repr(CODEC)
