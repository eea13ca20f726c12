"""Tracebacks as data: taken where the task ran, stored as JSON, shown wherever somebody asks."""

from jobyard.model.traceback.capture import capture, class_names
from jobyard.model.traceback.data import ErrorData, FrameData, encode
from jobyard.model.traceback.remote import Frame, RemoteError, StackTrace, render_stack
from jobyard.model.traceback.stack import capture_stack

__all__ = [
    "ErrorData",
    "Frame",
    "FrameData",
    "RemoteError",
    "StackTrace",
    "capture",
    "capture_stack",
    "class_names",
    "encode",
    "render_stack",
]
