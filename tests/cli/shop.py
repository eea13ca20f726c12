"""An application for the command line: its yard is where the settings say."""

from __future__ import annotations

import logging
from datetime import date

from jobyard import CancelJob, Retry, SkipJob, Yard, ctx

yard = Yard()
log = logging.getLogger("shop")
log.setLevel(logging.INFO)


@yard.task(name="add")
def add(a: int, b: int = 1) -> int:
    return a + b


@yard.task(name="day", queue="calendar", title="A day", timeout=60, retry=Retry(3, delay=5))
def day(when: date) -> date:
    return when


@yard.task(name="free")
def free(value):
    return value


@yard.task(name="report")
def report(parts: int) -> str:
    for part in ctx.track(range(parts), group="reading::pages"):
        log.info("part %d", part)
    log.warning("nearly done")
    return "done"


@yard.task(name="broken")
def broken(password: str) -> None:
    wrong = {"answer": 42}
    log.error("about to fail")
    raise LookupError(wrong)


@yard.task(name="skip")
def skip() -> None:
    raise SkipJob


@yard.task(name="give_up")
def give_up() -> None:
    raise CancelJob
