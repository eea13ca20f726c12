"""Free text (log lines, errors, locals, titles, log tails), made fit for every store."""

from __future__ import annotations

import re

__all__ = ["escape", "shorten"]

_UNFIT = re.compile("[\0\ud800-\udfff]")


def escape(text: str) -> str:
    r"""
    The same text with NUL and lone surrogates written out (``\x00``, ``\udc80``).

    UTF-8 has no place for the latter, and PostgreSQL none for the former. Clean text is returned as it is.
    """
    if text.isascii() and "\0" not in text:
        return text
    return _UNFIT.sub(_written_out, text)


def shorten(text: str, limit: int) -> str:
    """The text, cut to *limit* characters; where something is cut, the last of them is ``…``."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code else "\\x00"
