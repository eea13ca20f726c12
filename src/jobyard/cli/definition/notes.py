"""
Notes on a terminal: the reStructuredText that fits a few lines of remarks.

Emphasis, strong text, literals, links, lists and headings are shown as such; anything else as it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["rendered"]

_INLINE = re.compile(
    r"``(?P<literal>.+?)``|\*\*(?P<strong>\S|\S.*?\S)\*\*|\*(?P<emphasis>[^\s*]|[^\s*].*?[^\s*])\*"
    r"|`(?P<link>[^`<]+?)\s*<(?P<target>[^`>]+)>`__?|:\w+:`(?P<role>[^`]+)`|`(?P<title>[^`]+)`_?"
)
_STYLES = {"literal": "cyan", "strong": "bold", "emphasis": "italic", "role": "cyan", "title": "italic"}
_BULLET = re.compile(r"(\s*)[*+-] +")
_UNDERLINE = re.compile(r"([=\-~^\"'#*+.])\1{2,}\s*$")


def rendered(notes: str) -> Text:
    """The notes in styles."""
    from rich.text import Text

    lines = notes.strip("\n").splitlines()
    shown = Text()
    for number, line in enumerate(lines):
        if _UNDERLINE.fullmatch(line):
            continue
        heading = number + 1 < len(lines) and bool(line.strip()) and _UNDERLINE.fullmatch(lines[number + 1])
        shown.append_text(_line(line, "bold underline" if heading else "")).append("\n")
    shown.rstrip()
    return shown


def _line(line: str, style: str) -> Text:
    from rich.text import Text

    if bullet := _BULLET.match(line):
        line = f"{bullet[1]}• {line[bullet.end() :]}"
    text = Text(style=style)
    last = 0
    for found in _INLINE.finditer(line):
        text.append(line[last : found.start()])
        kind = str(found.lastgroup)
        if kind == "target":
            text.append(found["link"], style=f"underline link {found['target']}")
        else:
            text.append(found[kind], style=_STYLES[kind])
        last = found.end()
    return text.append(line[last:])
