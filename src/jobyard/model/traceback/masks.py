"""
What is secret, judged by its name.

Rule 1: a value is masked because of the name it stands under (a local, a key, an attribute), never by how it looks.
Rule 2: masking too much costs a look into the database; masking too little costs a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["HIDDEN", "Masks", "masks"]

HIDDEN = "***"

_PARTS = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "cookie",
    "authoriz",
    "authoris",
    "api.?key",
    "session.?id",
    "private",
    "signature",
    "dsn",
)
"""A name with one of these anywhere in it is secret."""

_WORDS = r"keys?(?![a-z])|(?<![a-z])auth(?![a-z])"
"""These count as words only: ``key`` and ``ssh_key``, but not ``keyboard``; ``auth``, but not ``author``."""

_VALUE = (
    r"""(?!(?:None|True|False)\b)(?:(?:bearer|basic)\s+)?(?:b?'(?:[^'\\]|\\.)*'?|b?"(?:[^"\\]|\\.)*"?|[^\s,;&)}\]]+)"""
)
_URL = re.compile(r"(://[^/\s:@]*:)[^/\s]+@")


class Masks:
    """The names to mask: the built-in ones and those of the `mask` setting."""

    def __init__(self, more: Iterable[str]) -> None:
        parts = "|".join([*_PARTS, *map(re.escape, more)])
        self._names = re.compile(f"{parts}|{_WORDS}", re.IGNORECASE)
        words = rf"(?:{parts}|[_-]key(?![a-z]))"
        self._text = re.compile(rf"""({words}[\w.-]{{0,40}}\\?['"]?\s*[=:]\s*){_VALUE}""", re.IGNORECASE)

    def hides(self, name: object) -> bool:
        """Whether what stands under this name is secret."""
        return isinstance(name, str) and self._names.search(name) is not None

    def scrub(self, text: str) -> str:
        """The text without the values that stand behind a secret name, and without the passwords of URLs."""
        if "=" not in text and ":" not in text:
            return text
        return _URL.sub(rf"\1{HIDDEN}@", self._text.sub(rf"\1{HIDDEN}", text))


@lru_cache(maxsize=16)
def masks(more: tuple[str, ...] = ()) -> Masks:
    """The masks for these additional names; compiled once."""
    return Masks(name for name in more if name)
