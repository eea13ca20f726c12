"""Tasks that child processes can import, for yards of tests."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

from jobyard import Yard, ctx

HERE = f"{__name__}:yard"
"""What a test gives its yard as `app`."""


def pid() -> int:
    return os.getpid()


def nap(seconds: float = 0.03) -> int:
    time.sleep(seconds)
    return os.getpid()


def spin(marker: str) -> None:
    """Python code that never looks whether it is to stop."""
    open(marker, "w").close()
    while True:
        time.sleep(0.005)


async def aspin(marker: str) -> None:
    open(marker, "w").close()
    await asyncio.sleep(60)


def polite(marker: str) -> str:
    """Looks whether it is to stop, and comes to an end of its own."""
    open(marker, "w").close()
    while not ctx.canceling:
        time.sleep(0.005)
    return "left in peace"


def stubborn(marker: str) -> None:
    """Swallows everything."""
    open(marker, "w").close()
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def leave(code: int) -> None:
    os._exit(code)


def leave_politely() -> None:
    sys.exit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


def crash() -> None:
    ctypes.string_at(0)


def shoot_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def flood() -> None:
    for n in range(30_000):
        print(f"line {n}", "x" * 90)


def wander(folder: str) -> None:
    os.chdir(folder)
    os.environ["LEFT_BEHIND"] = "yes"


def litter() -> None:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def surroundings() -> list:
    others = [t.name for t in threading.enumerate() if "jobyard" not in t.name and t is not threading.main_thread()]
    return [os.getcwd(), os.environ.get("LEFT_BEHIND"), others]


def eat() -> int:
    return len(bytearray(600 << 20))


def tell() -> int:
    job = ctx.enqueue(_tasks["pid"].op())
    ctx.progress(1, 2, "a::b", "half")
    ctx.heartbeat("alive")
    return job.id


def ops_of_job(word: str) -> list:
    ops = [[op.args[0], str(op.status), op.result is not None] for op in ctx.job.ops]
    return [ctx.job.yard.store.is_ready, ops]


def silent(seconds: float) -> None:
    time.sleep(seconds)


def beats(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.heartbeat()
        time.sleep(0.02)


_tasks: dict[str, Any] = {}
_functions = [
    pid,
    nap,
    spin,
    aspin,
    polite,
    stubborn,
    leave,
    leave_politely,
    interrupt,
    crash,
    shoot_itself,
    flood,
    wander,
]
_functions += [flood, wander, litter, surroundings, eat, tell, ops_of_job, silent, beats]


def register(yard: Yard) -> dict[str, Any]:
    """Make a task of each function, by its name."""
    return {function.__name__: yard.task(function, name=function.__name__) for function in _functions}


yard = Yard("sqlite:///unused.db")
_tasks.update(register(yard))
