"""
Loads the statements of a dialect: ``<noun>.sql`` files in which ``-- name: claim`` heads each statement.

Parameters are written ``:name`` in every dialect; a driver turns them into its own style.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Migration", "Statements", "migrations", "noun_names", "parameters", "parts", "positional", "statements"]

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


class Statements:
    """The statements of one noun, as attributes: ``sql.claim``."""

    def __init__(self, noun: str, texts: dict[str, str]) -> None:
        self.noun = noun
        self.texts = texts

    def __getattr__(self, name: str) -> str:
        try:
            return self.texts[name]
        except KeyError:
            msg = f"{self.noun}.sql has no statement {name!r}"
            raise AttributeError(msg) from None


class Migration(NamedTuple):
    """One ``NNNN_word.sql``."""

    number: int
    word: str
    statements: list[str]


def _folder(dialect: str) -> Path:
    return Path(__file__).with_name(dialect)


def noun_names(dialect: str) -> list[str]:
    """The nouns that have a file in this dialect."""
    return sorted(path.name.removesuffix(".sql") for path in _folder(dialect).iterdir() if path.name.endswith(".sql"))


@cache
def statements(dialect: str, noun: str) -> Statements:
    """The statements of a noun, comments removed."""
    text = _folder(dialect).joinpath(f"{noun}.sql").read_text("utf-8")
    _, *parts = _HEADER.split(text)
    bodies = (_COMMENT.sub("", body).strip().rstrip(";") for body in parts[1::2])
    return Statements(noun, dict(zip(parts[::2], bodies, strict=True)))


def parameters(statement: str) -> list[str]:
    """The names of the parameters, each once, in the order of their first use."""
    return list(dict.fromkeys(_PARAMETER.findall(statement)))


@cache
def migrations(dialect: str) -> tuple[Migration, ...]:
    """All migrations of the dialect, in order."""
    found = []
    for path in _folder(dialect).joinpath("migrations").iterdir():
        number, _, word = path.name.removesuffix(".sql").partition("_")
        if number.isdigit():
            script = _COMMENT.sub("", path.read_text("utf-8"))
            found.append(Migration(int(number), word, [part.strip() for part in script.split(";\n") if part.strip()]))
    return tuple(sorted(found))


@cache
def parts(statement: str) -> list[str]:
    """The statements of which one consists where a dialect needs several; one at most gives rows."""
    return statement.split(";\n")


@cache
def positional(statement: str) -> str:
    """The statement with ``?`` for its parameters, each of which it may use only once."""
    return _PARAMETER.sub("?", statement)
