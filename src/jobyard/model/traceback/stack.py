"""The stack of running code: of a thread, a coroutine, or from a frame outwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from jobyard.model.traceback.capture import MAX_FRAMES, MAX_SIZE, Collector, Step, without_machinery

__all__ = ["capture_stack"]

_BOOTSTRAP = ("threading", "runpy", "asyncio", "concurrent", "multiprocessing", "selectors", "contextvars")
"""What runs a thread or an event loop: its frames at the outer end are left out too."""


def capture_stack(
    target: Any, *, mask: Sequence[str] = (), max_frames: int = MAX_FRAMES, max_size: int = MAX_SIZE
) -> dict[str, Any]:
    """
    Where code is right now, as JSON-able data: ``{"frames": [...]}``, the task's first. Never raises.

    Args:
        target: a frame, the ident of a thread, a coroutine, or an asyncio task. Of a coroutine that waits, the frames
            go on through what it awaits; of one that runs, through what it calls.
    """
    try:
        steps = [Step(frame, frame.f_lineno or 0, frame.f_lasti) for frame in _frames(target)]
        return {"frames": Collector(mask, max_frames, max_size).frames(without_machinery(_without_bootstrap(steps)))}
    except BaseException:  # the code went on meanwhile, and whatever its objects do
        return {"frames": []}


def _frames(target: Any) -> list[FrameType]:
    if isinstance(target, int):
        return _outwards(sys._current_frames().get(target))
    if isinstance(target, FrameType):
        return _outwards(target)
    coroutine = target.get_coro() if hasattr(target, "get_coro") else target
    outermost = _frame_of(coroutine)
    for top in sys._current_frames().values():
        if outermost in (stack := _outwards(top)):
            return stack[stack.index(outermost) :]
    return list(_awaiting(coroutine))


def _outwards(frame: FrameType | None) -> list[FrameType]:
    """The frames from the outermost to this one."""
    found: list[FrameType] = []
    while frame is not None:
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


def _awaiting(awaitable: Any) -> Iterator[FrameType]:
    """The frames of a coroutine that waits, and of what it waits for."""
    while awaitable is not None:
        if (frame := _frame_of(awaitable)) is not None:
            yield frame
        awaitable = next((getattr(awaitable, name) for name in _NEXT if hasattr(awaitable, name)), None)


_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")


def _frame_of(awaitable: Any) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(awaitable, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None


def _without_bootstrap(steps: list[Step]) -> list[Step]:
    for index, step in enumerate(steps):
        if step.module.partition(".")[0] not in _BOOTSTRAP and step.module != "jobyard.__main__":
            return steps[index:]
    return steps
