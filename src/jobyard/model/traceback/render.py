"""Captured data as the text Python prints of an exception, with locals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobyard.model.traceback.data import ErrorData, FrameData

__all__ = ["CAUSE", "CONTEXT", "GROUP_TITLE", "TITLE", "links", "render", "render_frames", "summary_line"]

TITLE = "Traceback (most recent call last):"
GROUP_TITLE = "Exception Group Traceback (most recent call last):"
CAUSE = "The above exception was the direct cause of the following exception:"
CONTEXT = "During handling of the above exception, another exception occurred:"

_REPEATS = 3
"""A frame repeated more often is counted instead, as Python does."""


def render(data: ErrorData, *, chain: bool = True, show_locals: bool = True) -> str:
    """The whole text, without a line break at its end."""
    return "\n".join(_Printer(chain, show_locals).error(data, 0))


def summary_line(data: ErrorData) -> str:
    """``ValueError: bad``, or the type alone when there is no message."""
    message = data.get("message", "")
    kind = data.get("type", "Exception")
    return f"{kind}: {message}" if message else kind


def links(data: ErrorData, *, chain: bool = True) -> list[tuple[str | None, ErrorData]]:
    """The errors from the first to this one, each with what Python says about it and the one before it."""
    found: list[tuple[str | None, ErrorData]] = []
    current: ErrorData | None = data
    while current is not None:
        cause, context = current.get("cause"), current.get("context")
        if not chain or (cause is None and (context is None or current.get("suppress", False))):
            found.append((None, current))
            break
        found.append((CONTEXT if cause is None else CAUSE, current))
        current = context if cause is None else cause
    return found[::-1]


def render_frames(frames: Iterable[FrameData], show_locals: bool) -> Iterator[str]:
    """The lines of a stack, repetitions counted."""
    last: tuple[str, int, str] | None = None
    count = 0
    for frame in frames:
        if skipped := frame.get("skipped"):
            yield from _repeated(count)
            last, count = None, 0
            yield f"  [{skipped} frames left out]"
        place = (frame["file"], frame["line"], frame["function"])
        if place != last:
            yield from _repeated(count)
            last, count = place, 0
        count += 1
        if count <= _REPEATS:
            yield from _frame(frame, show_locals)
    yield from _repeated(count)


def _repeated(count: int) -> Iterator[str]:
    if (more := count - _REPEATS) > 0:
        yield f"  [Previous line repeated {more} more time{'s' if more > 1 else ''}]"


def _frame(frame: FrameData, show_locals: bool) -> Iterator[str]:
    yield f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}'
    for line in frame.get("code", ()):
        yield f"    {line}"
    if show_locals:
        for name, text in sorted(frame.get("locals", {}).items()):
            yield f"    {name} = {text}"


class _Printer:
    """The layout of CPython's ``traceback`` module: groups are boxed, and the boxes indented by depth."""

    def __init__(self, chain: bool, show_locals: bool) -> None:
        self.chain = chain
        self.show_locals = show_locals
        self.must_close = False

    def error(self, data: ErrorData, depth: int) -> Iterator[str]:
        for said, link in links(data, chain=self.chain):
            if said is None and link.get("omitted") and "exceptions" not in link:
                yield from _margin(depth, ["[earlier exceptions left out]", ""])
            if said is not None:
                yield from _margin(depth, ["", said, ""])
            if "exceptions" in link:
                yield from self._group(link, depth)
            else:
                yield from _margin(depth, self._single(link, TITLE))

    def _single(self, data: ErrorData, title: str) -> Iterator[str]:
        if frames := data.get("frames"):
            yield title
            yield from render_frames(frames, self.show_locals)
        yield from _headline(data)
        for note in data.get("notes", ()):
            yield from note.split("\n")

    def _group(self, data: ErrorData, depth: int) -> Iterator[str]:
        top = depth == 0
        depth = depth or 1
        lines = list(_margin(depth, self._single(data, GROUP_TITLE)))
        if top and data.get("frames"):
            lines[0] = lines[0].replace("|", "+", 1)
        yield from lines
        members = data.get("exceptions", [])
        left_out = data.get("omitted", 0)
        self.must_close = False
        for number, member in enumerate(members, 1):
            self.must_close = number == len(members) and not left_out
            yield f"{_indent(depth)}{'+-' if number == 1 else '  '}+---------------- {number} ----------------"
            yield from self.error(member, depth + 1)
        if left_out:
            yield f"{_indent(depth)}{'  ' if members else '+-'}+---------------- ... ----------------"
            yield from _margin(depth + 1, [f"and {left_out} more exception{'s' if left_out > 1 else ''}"])
            self.must_close = True
        if self.must_close:
            yield f"{_indent(depth + 1)}+------------------------------------"
            self.must_close = False


def _headline(data: ErrorData) -> Iterator[str]:
    if (syntax := data.get("syntax")) is None:
        yield from summary_line(data).split("\n")
        return
    yield f'  File "{syntax["file"]}", line {syntax["line"]}'
    if text := syntax["text"].rstrip():
        code = text.lstrip()
        yield f"    {code}"
        if (column := syntax["column"]) and column > 0:
            start = max(column - 1 - (len(text) - len(code)), 0)
            end = syntax["end_column"] or 0
            same_line = syntax["end_line"] in (None, syntax["line"])
            yield f"    {' ' * start}{'^' * max(end - column if same_line else 1, 1)}"
    yield f"{data['type']}: {syntax['message']}"


def _indent(depth: int) -> str:
    return " " * (2 * depth)


def _margin(depth: int, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"{_indent(depth)}| {line}" if depth else line
