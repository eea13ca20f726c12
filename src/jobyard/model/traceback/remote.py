"""An exception of another process, made of its captured data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from jobyard.model.traceback.data import ErrorData, FrameData
from jobyard.model.traceback.render import render, render_frames, summary_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Frame", "RemoteError", "StackTrace", "render_stack"]


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One frame of a traceback or a stack.

    `code` is what Python prints of its source, `context` the lines from number `context_start` on, `locals` the reprs
    of the local variables; `skipped` frames of a very deep stack were left out just before this one.
    """

    file: str
    line: int
    function: str
    code: tuple[str, ...] = ()
    context_start: int = 0
    context: tuple[str, ...] = ()
    locals: dict[str, str] = {}
    skipped: int = 0


class RemoteError(Exception):
    """
    What went wrong in a task: the exception as it was, with its frames, locals and chain, but without its class.

    ``str(error)`` is the whole traceback as Python prints it, with the locals of each frame; `summary` is its last
    line. It can be raised, or be the cause of another exception.

    Attributes:
        type: the class as tracebacks name it: ``ValueError``, ``shop.errors.OutOfStock``.
        message: what ``str`` gave.
        args: the arguments where all were plain JSON, else their reprs.
        cause: the `RemoteError` of ``__cause__``, or None; `context` likewise.
        exceptions: the members of an exception group.
    """

    def __init__(self, data: ErrorData) -> None:
        values = data.get("values")
        super().__init__(*(data.get("args", ()) if values is None else values))
        self._data = data
        self.type = data.get("type", "Exception")
        self.message = data.get("message", "")
        self.notes = list(data.get("notes", ()))
        self.frames = _frames(data.get("frames", ()))
        self.cause = _inner(data.get("cause"))
        self.context = _inner(data.get("context"))
        self.exceptions = [RemoteError(member) for member in data.get("exceptions", ())]

    @classmethod
    def from_json(cls, text: str) -> RemoteError:
        """The error of a stored text; one that is not a captured error becomes the message."""
        try:
            data = msgspec.json.decode(text)
        except msgspec.DecodeError:
            data = None
        if isinstance(data, dict):
            return cls(cast("ErrorData", data))
        return cls({"type": "Exception", "message": text})

    @property
    def data(self) -> ErrorData:
        """The JSON-able data this was made of."""
        return self._data

    @property
    def summary(self) -> str:
        """The short form: ``ValueError: bad``."""
        return summary_line(self._data)

    def traceback(self, *, chain: bool = True, show_locals: bool = True) -> str:
        """The text Python would print, without what came before if *chain* is false."""
        return render(self._data, chain=chain, show_locals=show_locals)

    def __str__(self) -> str:
        return self.traceback()

    def __repr__(self) -> str:
        return f"<RemoteError {self.summary}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteError, (self._data,)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from jobyard.model.traceback.terminal import show_error  # only a terminal loads rich

        yield from show_error(self._data)


class StackTrace:
    """
    Where a running job was when it was asked: frames from the task inwards, each with its locals.

    ``str(stack)`` is the text as Python prints a stack, with the locals.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.frames = _frames(data.get("frames", ()))

    @classmethod
    def from_json(cls, text: str) -> StackTrace:
        """The stack of a stored text."""
        return cls(msgspec.json.decode(text))

    def __str__(self) -> str:
        return render_stack(self.data)

    def __repr__(self) -> str:
        at = f" at {self.frames[-1].function}, line {self.frames[-1].line}" if self.frames else ""
        return f"<StackTrace{at}>"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from jobyard.model.traceback.terminal import show_stack  # only a terminal loads rich

        yield from show_stack(self.data)


def render_stack(data: dict[str, Any], *, show_locals: bool = True) -> str:
    """A captured stack as Python prints it."""
    lines = ["Stack (most recent call last):", *render_frames(data.get("frames", ()), show_locals)]
    return "\n".join(lines)


def _inner(data: ErrorData | None) -> RemoteError | None:
    return None if data is None else RemoteError(data)


def _frames(frames: Any) -> list[Frame]:
    return [_frame(frame) for frame in frames]


def _frame(data: FrameData) -> Frame:
    context = data.get("context")
    return Frame(
        data.get("file", "?"),
        data.get("line", 0),
        data.get("function", "?"),
        tuple(data.get("code", ())),
        context["start"] if context else 0,
        tuple(context["lines"]) if context else (),
        data.get("locals", {}),
        data.get("skipped", 0),
    )
