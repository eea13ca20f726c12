"""Tasks that do what they are called."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from jobyard import CancelJob, RetryJob, SkipJob, SuspendJob, Yard, ctx


@pytest.fixture
def tasks(yard: Yard) -> SimpleNamespace:
    """Tasks of the yard, one for each way to end."""

    @yard.task(name="echo")
    def echo(value=None):
        return value

    @yard.task(name="add")
    def add(a: int, b: int = 1) -> int:
        return a + b

    @yard.task(name="fail")
    def fail(text="broken"):
        raise ValueError(text)

    @yard.task(name="skip")
    def skip():
        raise SkipJob

    @yard.task(name="give_up")
    def give_up():
        raise CancelJob

    @yard.task(name="put_aside")
    def put_aside():
        raise SuspendJob

    @yard.task(name="again", retry=2)
    def again(delay=60):
        raise RetryJob(delay=delay)

    @yard.task(name="spawn")
    def spawn(value=None):
        return ctx.enqueue(echo.op(value)).id

    return SimpleNamespace(**{name: value for name, value in locals().items() if name != "yard"})
