"""Escaping and shortening of free text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard.model.text import escape, shorten

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("naïve 🎉", "naïve 🎉"),
        ("tab\tand\x1b", "tab\tand\x1b"),
        ("a\0b", "a\\x00b"),
        ("é\0", "é\\x00"),
        ("\udc80", "\\udc80"),
        ("x\ud83dy", "x\\ud83dy"),
    ],
)
def test_only_nul_and_lone_surrogates_are_written_out(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(any_text)
def test_escaped_text_fits_every_store(text: str) -> None:
    escaped = escape(text)

    assert "\0" not in escaped
    assert escaped.encode().decode() == escaped
    assert escape(escaped) == escaped


def test_clean_text_is_not_copied() -> None:
    text = "a clean line" * 100

    assert escape(text) is text


@pytest.mark.parametrize(("limit", "expected"), [(5, "abcde"), (4, "abc…"), (1, "…"), (9, "abcde")])
def test_shortened_text_ends_in_an_ellipsis(limit: int, expected: str) -> None:
    assert shorten("abcde", limit) == expected
