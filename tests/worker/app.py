"""An app for child processes: tasks that behave, and tasks that do not."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.worker.support import PlainTask, link, task

from jobyard.context import Link, ctx
from jobyard.model.codec import JSON


def add(a: int, b: int) -> int:
    return a + b


async def aadd(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def noop() -> None: ...


def where() -> tuple[int, bool]:
    return os.getpid(), threading.current_thread() is threading.main_thread()


def fail(text: str) -> None:
    raise ValueError(text)


def leave(code: int) -> None:
    os._exit(code)


def leave_politely() -> None:
    sys.exit(3)


def crash() -> None:
    print("on the brink")
    ctypes.string_at(0)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def stubborn() -> None:
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def runaway() -> None:
    """A regular expression that holds the interpreter for hours, but looks for signals."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def hang() -> None:
    """Holds the interpreter for good."""
    sum(range(10**13))


def flood(lines: int) -> None:
    text = "x" * 99
    for _ in range(lines):
        print(text)


def say(text: str) -> None:
    print(text)
    os.write(2, b"raw words\n")
    subprocess.run([sys.executable, "-c", "print('from below')"], check=True)
    logging.getLogger("app").warning("logged %s", text)


def eat(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def wander() -> None:
    os.chdir("/")


def litter() -> None:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def folder() -> str:
    return os.getcwd()


def fork_and_leave() -> None:
    """Something forked keeps every descriptor of the child open."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def enqueue() -> int:
    return ctx.enqueue("an op")


def spin_until_canceled() -> None:
    while not ctx.canceling:
        time.sleep(0.005)
    ctx.check_canceled()


@dataclass
class Known:
    """The tasks, where a yard has its registry."""

    known: dict[str, PlainTask]


class App:
    """What a yard is to its children."""

    codec = JSON

    def __init__(self, *functions: Callable[..., Any]) -> None:
        self.tasks = Known({function.__name__: task(function) for function in functions})

    def link(self) -> Link:
        from jobyard.model.newjob import NewJob

        return link(new_job=lambda ops, _: NewJob([], "default"), stored=lambda row, existing: row.id)


app = App(
    *(add, aadd, noop, where, fail, leave, leave_politely, crash, sleep, stubborn, runaway, hang, flood, say, eat),
    *(wander, litter, folder, fork_and_leave, enqueue, spin_until_canceled),
)
