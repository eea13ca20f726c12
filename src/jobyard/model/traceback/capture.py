"""
An exception or a live stack, taken as data that can be stored.

Rule 1: nothing in here raises, whatever the exception, its arguments and its locals do.
Rule 2: the result is bounded. What matters most (the exception itself, its innermost frames) is taken first.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterator, Sequence
from itertools import islice
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, NamedTuple

import msgspec

from jobyard.model.retry import class_name
from jobyard.model.text import escape, shorten
from jobyard.model.traceback.data import ContextData, ErrorData, FrameData
from jobyard.model.traceback.masks import HIDDEN, masks
from jobyard.model.traceback.reprs import Reprs, type_name

__all__ = ["MAX_FRAMES", "MAX_SIZE", "Collector", "Step", "capture", "class_names", "without_machinery"]

MAX_FRAMES = 50
MAX_SIZE = 200_000

_MAX_ERRORS = 20
_MAX_GROUP = 15
_MAX_LOCALS = 60
_MAX_NOTES = 20
_MESSAGE = 20_000
_LINE = 300
_CONTEXT = 3

_OUTER = ("jobyard.worker", "jobyard.task", "jobyard.context", "jobyard.model", "jobyard.source", "jobyard.testing")
"""The modules that call a task: their frames at the outer end tell nothing about it."""

_CODE = (ModuleType, FunctionType, BuiltinFunctionType, type)


class Step(NamedTuple):
    """A frame and where in it the code was."""

    frame: FrameType
    line: int
    instruction: int

    @property
    def module(self) -> str:
        spec = self.frame.f_globals.get(
            "__spec__"
        )  # `python -m` calls its module __main__, and its spec keeps the name
        return str(getattr(spec, "name", None) or self.frame.f_globals.get("__name__", ""))


def capture(
    exc: BaseException, *, mask: Sequence[str] = (), max_frames: int = MAX_FRAMES, max_size: int = MAX_SIZE
) -> ErrorData:
    """
    Everything a reader wants to know of an exception, as JSON-able data. Never raises.

    Frames have source lines and the reprs of their locals; causes, contexts, notes and the members of groups are in it.
    The frames by which jobyard calls the task are not.

    Args:
        mask: more names (or parts of names) of locals and keys whose values are hidden.
        max_frames: of each exception; of a deeper stack the outermost and innermost ones are kept.
        max_size: bytes of the encoded data.
    """
    failure = ""
    for _ in range(2):  # an interrupt that comes too late for the task may hit the first
        try:
            return _within(Collector(mask, max_frames, max_size).error(exc), max_size)
        except BaseException as error:  # rule 1: an error that cannot be shown is still an error that happened
            failure = type(error).__name__
    message = f"<the traceback could not be captured: {failure}>"
    return {"type": type_name(type(exc)), "message": message, "args": [], "frames": []}


def class_names(exc: BaseException) -> list[str]:
    """The classes of an exception, most derived first, as ``module:qualname``: what a retry policy looks at."""
    return [class_name(kind) for kind in type(exc).__mro__ if kind is not object]


class Collector:
    """Takes exceptions and frames until its budget of bytes is spent; then only their bare bones."""

    def __init__(self, mask: Sequence[str], max_frames: int, max_size: int) -> None:
        self.reprs = Reprs(masks(tuple(mask)))
        self.max_frames = max_frames
        self.left = max_size // 2  # the other half is for keys, quotes and escapes
        self.errors_left = _MAX_ERRORS
        self._seen: set[int] = set()
        self._code: dict[tuple[CodeType, int], list[str]] = {}
        self._checked: set[str] = set()

    def error(self, exc: BaseException) -> ErrorData:
        """An exception with all that hangs on it."""
        self._seen.add(id(exc))
        self.errors_left -= 1
        data: ErrorData = {
            "type": self._text(type_name(type(exc)), _LINE),
            "message": self._text(_message(exc), _MESSAGE),
            "args": [self._text(self.reprs.of(arg)) for arg in exc.args[: self.reprs.items]],
            "frames": self.frames(without_machinery(list(_steps(exc.__traceback__)))),
        }
        self._details(exc, data)
        self._chain(exc, data)
        if isinstance(exc, BaseExceptionGroup):
            self._members(exc, data)
        return data

    def _details(self, exc: BaseException, data: ErrorData) -> None:
        if (values := self._values(exc.args)) is not None:
            data["values"] = values
        notes = getattr(exc, "__notes__", None)
        if isinstance(notes, (list, tuple)):
            data["notes"] = [self._text(_message(note), _MESSAGE) for note in notes[:_MAX_NOTES]]
        if isinstance(exc, SyntaxError) and exc.lineno is not None:
            data["syntax"] = self._syntax(exc)

    def _chain(self, exc: BaseException, data: ErrorData) -> None:
        if (cause := exc.__cause__) is not None and id(cause) not in self._seen:
            if self.errors_left > 0:
                data["cause"] = self.error(cause)
            else:
                data["omitted"] = 1
        if (context := exc.__context__) is not None and id(context) not in self._seen:
            if self.errors_left > 0:
                data["context"] = self.error(context)
            else:
                data["omitted"] = 1
        if exc.__suppress_context__:
            data["suppress"] = True

    def _members(self, group: BaseExceptionGroup[Any], data: ErrorData) -> None:
        taken: list[ErrorData] = []
        for member in group.exceptions[:_MAX_GROUP]:
            if self.errors_left <= 0:
                break
            taken.append(self.error(member))
        data["exceptions"] = taken
        if left_out := len(group.exceptions) - len(taken):
            data["omitted"] = left_out

    def _syntax(self, exc: SyntaxError) -> dict[str, Any]:
        return {
            "file": self._text(_message(exc.filename or "<string>"), _LINE),
            "line": exc.lineno,
            "column": exc.offset,
            "end_line": exc.end_lineno,
            "end_column": exc.end_offset,
            "text": self._text(_message(exc.text or "").rstrip("\n"), _LINE),
            "message": self._text(_message(exc.msg), _LINE),
        }

    def _values(self, args: tuple[Any, ...]) -> list[Any] | None:
        """The arguments as they are, where all of them are plain JSON and small."""
        try:
            values = [self._plain(arg, 4) for arg in args]
            self.left -= len(msgspec.json.encode(values))
        except (_NotPlain, RecursionError):
            return None
        return values

    def _plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool or (kind is float and abs(value) < float("inf")):
            return value
        if kind is int and abs(value) < 2**63:
            return value
        if kind is str and len(value) <= self.reprs.limit and escape(value) == value:
            return value
        if kind is list and depth and len(value) <= self.reprs.items:
            return [self._plain(item, depth - 1) for item in value]
        if kind is dict and depth and len(value) <= self.reprs.items and all(type(key) is str for key in value):
            return {escape(key): self._plain_item(key, item, depth - 1) for key, item in value.items()}
        raise _NotPlain

    def _plain_item(self, key: str, value: Any, depth: int) -> Any:
        return HIDDEN if self.reprs.masks.hides(key) else self._plain(value, depth)

    def frames(self, steps: list[Step]) -> list[FrameData]:
        """The frames, outermost first; of too many the ones in the middle are left out."""
        most = self.max_frames if self.left > 0 else min(self.max_frames, 2)
        head = min(most * 2 // 5, len(steps))
        skipped = max(len(steps) - most, 0)
        kept = steps[:head] + steps[head + skipped :] if skipped else steps
        frames = [self._frame(step) for step in reversed(kept)][::-1]  # the innermost have the first go at the budget
        if skipped:
            frames[head]["skipped"] = skipped
        return frames

    def _frame(self, step: Step) -> FrameData:
        code = step.frame.f_code
        self._refresh(code.co_filename, step.frame.f_globals)
        frame: FrameData = {
            "file": self._text(code.co_filename, _LINE),
            "line": step.line,
            "function": self._text(code.co_name, _LINE),
            "code": self._source(step),
        }
        if self.left > 0 and (context := self._context(step)):
            frame["context"] = context
        if self.left > 0 and (values := self._locals(step.frame)):
            frame["locals"] = values
        return frame

    def _refresh(self, file: str, module: dict[str, Any]) -> None:
        if file not in self._checked:
            self._checked.add(file)
            linecache.checkcache(file)
            linecache.lazycache(file, module)

    def _source(self, step: Step) -> list[str]:
        """What Python prints under ``File ...``: the source line, and the markers under a part of it."""
        key = (step.frame.f_code, step.instruction)
        if key not in self._code:
            line, end_line, column, end_column = _position(step)
            summary = traceback.FrameSummary(
                step.frame.f_code.co_filename,
                line,
                step.frame.f_code.co_name,
                lookup_line=False,
                end_lineno=end_line,
                colno=column,
                end_colno=end_column,
            )
            printed = traceback.StackSummary().format_frame_summary(summary).splitlines()[1:]
            self._code[key] = [shorten(escape(text.removeprefix("    ")), _LINE) for text in printed]
        self.left -= sum(map(len, self._code[key]))
        return self._code[key]

    def _context(self, step: Step) -> ContextData | None:
        start = max(step.line - _CONTEXT, 1)
        lines = linecache.getlines(step.frame.f_code.co_filename)[start - 1 : step.line + _CONTEXT]
        return {"start": start, "lines": [self._text(line.rstrip(), _LINE) for line in lines]} if lines else None

    def _locals(self, frame: FrameType) -> dict[str, str]:
        taken: dict[str, str] = {}
        try:
            for name, value in islice(_shown(frame), _MAX_LOCALS):
                if self.left <= 0:
                    break
                taken[escape(name)] = self._text(self.reprs.named(name, value))
        except BaseException:  # the namespace of a class body is whatever its metaclass made
            return taken
        return taken

    def _text(self, text: str, limit: int = 1_000) -> str:
        text = escape(shorten(text, limit if self.left > 0 else 200))
        self.left -= len(text) if text.isascii() else len(text.encode())
        return text


class _NotPlain(Exception):
    """The value is not plain JSON."""


def without_machinery(steps: list[Step]) -> list[Step]:
    """The steps without those at the outer end by which jobyard calls a task; all of them if nothing else is left."""
    for index, step in enumerate(steps):
        if not _is_machinery(step.module):
            return steps[index:]
    return steps


def _is_machinery(module: str) -> bool:
    return any(module == outer or module.startswith(f"{outer}.") for outer in _OUTER)


def _steps(tb: TracebackType | None) -> Iterator[Step]:
    while tb is not None:
        yield Step(tb.tb_frame, tb.tb_lineno or 0, tb.tb_lasti)
        tb = tb.tb_next


def _position(step: Step) -> tuple[int, int | None, int | None, int | None]:
    found: tuple[int | None, int | None, int | None, int | None] = (None, None, None, None)
    if step.instruction >= 0:
        found = next(islice(step.frame.f_code.co_positions(), step.instruction // 2, None), found)
    line, end_line, column, end_column = found
    if line != step.line:  # code without positions, or a frame that moved on meanwhile
        return step.line, None, None, None
    return step.line, end_line, column, end_column


def _shown(frame: FrameType) -> Iterator[tuple[str, object]]:
    """The locals; of a module only its data, since imports and functions say nothing about an error."""
    of_module = frame.f_code.co_name == "<module>"
    for name, value in list(frame.f_locals.items()):
        if name.startswith(("__", ".")) or (of_module and issubclass(type(value), _CODE)):
            continue
        yield name, value


def _message(value: object) -> str:
    try:
        return "".join(("", str(value)))  # an exact str, whatever kind __str__ returned
    except BaseException as exc:  # whatever a __str__ does
        return f"<{type_name(type(value))}: its str raised {type(exc).__name__}>"


def _within(data: ErrorData, max_size: int) -> ErrorData:
    """The data, cut down in two steps until it fits."""
    if len(msgspec.json.encode(data)) <= max_size:
        return data
    _strip(data)
    if len(msgspec.json.encode(data)) <= max_size:
        return data
    limit = max(max_size // 8, 20)
    bare: ErrorData = {"type": data["type"], "message": shorten(data["message"], limit), "args": [], "frames": []}
    return bare


def _strip(data: ErrorData) -> None:
    for frame in data["frames"]:
        frame.pop("context", None)
        frame.pop("locals", None)
    for inner in (data.get("cause"), data.get("context"), *data.get("exceptions", ())):
        if inner is not None:
            _strip(inner)
