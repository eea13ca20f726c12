"""
The application of these tests, as its own program: ``python app.py worker``, ``python app.py enqueue 0 1000``.

It is told by the environment where its store lies. What its tasks do is noted in files beside it.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from jobyard import Yard, ctx
from jobyard.model.events import Happening


def _folder() -> Path:
    return Path(os.environ["LIFE_FOLDER"])


def _write(name: str, line: str) -> None:
    """One write to a file opened for appending: lines of several processes never mix."""
    file = os.open(_folder() / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def note(n: int) -> int:
    _write("runs", str(n))
    return n


def hang() -> int:
    """Runs until it is let go, and notes how it ended."""
    _write("began", str(os.getpid()))
    how = "stopped"
    try:
        while not (_folder() / "go").exists():
            time.sleep(0.005)
        how = "returned"
    finally:
        _write("ended", f"{os.getpid()} {how}")
    return os.getpid()


def stubborn() -> None:
    _write("began", str(os.getpid()))
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue


def sleep(seconds: float) -> int:
    _write("began", str(os.getpid()))
    time.sleep(seconds)
    return os.getpid()


def pid() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say(text: str) -> None:
    logging.getLogger("life").warning(text)


def fail() -> None:
    time.sleep(0.001)
    raise ConnectionError("the service is down")


def book(n: int) -> str:
    """Work and outcome in one transaction."""
    connection = _connected(os.environ["JOBYARD_URL"])
    connection.execute(f"insert into booked (n) values ({n:d})")
    ctx.finish(f"booked {n}", connection=connection)
    connection.commit()
    connection.close()
    return "returned"


def _connected(url: str) -> Any:
    """A connection of its own to the database of the store."""
    if url.startswith("sqlite:"):
        return sqlite3.connect(os.environ["LIFE_FILE"], timeout=30)
    import psycopg  # here: few of these programs need it

    server, _, schema = url.rpartition("schema=")
    return psycopg.connect(server.rstrip("?&"), options=f"-c search_path={schema}")


FUNCTIONS = (note, hang, stubborn, sleep, pid, die, say, fail, book)


def register(yard: Yard) -> dict[str, Any]:
    """Make a task of each function, by its name."""
    return {function.__name__: yard.task(function, name=function.__name__) for function in FUNCTIONS}


def _tell(happening: Happening) -> None:
    """What has gone wrong is seen in the log, as that of `jobyard worker`."""
    if happening.level >= logging.WARNING:
        logging.getLogger("life").log(happening.level, "%s", happening)


def main(command: str, *args: str) -> int:
    if command == "worker":
        yard.on(Happening)(_tell)
        return yard.worker().run()
    first, count = map(int, args)
    for n in range(first, first + count):
        tasks["note"].enqueue(n)
    return 0


if __name__ == "__main__":
    yard = Yard()
    tasks = register(yard)
    sys.exit(main(*sys.argv[1:]))
elif "LIFE_FOLDER" in os.environ:  # a child process of the worker imports it
    yard = Yard()
    tasks = register(yard)
