"""Amounts of memory as users write them."""

import pytest

from jobyard.model.sizes import size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (1, 1),
        (512 * 2**20, 512 * 2**20),
        ("77", 77),
        ("4k", 4096),
        ("512M", 512 * 2**20),
        ("512 MiB", 512 * 2**20),
        ("1.5GB", 3 * 2**29),
        ("1T", 2**40),
    ],
)
def test_numbers_and_texts_are_bytes(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "", "M", "12X", "-5M", "0", None])
def test_anything_else_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"memory_limit=.*'512M'"):
        size(bad, "memory_limit")
