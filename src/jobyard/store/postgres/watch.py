"""
Notices connections that nobody answers: packets are swallowed, the other machine is gone.

The kernel sees that only while it has something to send again. So, when a statement has had no answer for some seconds,
the server is asked over another connection whether it is at work on it. If it is not, or does not answer either, the
connection is broken here, and whoever waits on it gets an error within 15 s.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Connection

__all__ = ["Watch"]

_LOOK = 1.0
_SILENT = 4.0
_ANSWER = 6.0
"""
Seconds that the server has to say that it is at work. With those of silence, and a look at the end of either, it takes
12 s at most until a connection is given up.
"""
_IDLE = 30.0
"""Seconds without a statement after which the thread ends."""
_AT_WORK = "select pid from pg_stat_activity where pid = any(%s) and state = 'active'"


@dataclass(slots=True)
class _Question:
    """Whether the server is at work on the statement that was sent at this time; None: it has not said."""

    sent: float
    asked: float
    at_work: bool | None = None


class Watch:
    """
    The statements of a process that wait for their answer.

    Args:
        connect: opens another connection, within a few seconds or not at all.
        lost: called when a connection was given up, since others that nobody waits on may be gone like it.
        direct: whether the server knows a connection by its process; not behind a pooler.
    """

    def __init__(self, connect: Callable[[], Connection], lost: Callable[[], None], *, direct: bool) -> None:
        self._connect = connect
        self._lost = lost
        self._direct = direct
        self._waiting: dict[Connection, float] = {}
        self._questions: dict[Connection, _Question] = {}
        self._thread: threading.Thread | None = None
        self._last = 0.0
        self._closed = threading.Event()

    @contextmanager
    def over(self, connection: Connection) -> Iterator[None]:
        """Something is sent on the connection and answered within the block."""
        self._waiting[connection] = self._last = time.monotonic()
        if self._thread is None:
            self._start()
        try:
            yield
        finally:
            self._waiting.pop(connection, None)

    def _run(self) -> None:
        while self._waiting or (time.monotonic() - self._last < _IDLE and not self._closed.is_set()):
            self._closed.wait(_LOOK)
            self._look()
        self._thread = None
        if self._waiting:  # it has begun to wait just now
            self._start()

    def close(self) -> None:
        """Let the thread end; a later use starts another."""
        self._closed.set()

    def _start(self) -> None:
        if self._thread is None:
            self._closed = threading.Event()
            self._thread = threading.Thread(target=self._run, name="jobyard-watch", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        now = time.monotonic()
        waiting = dict(self._waiting)
        known = {c: each for c, each in self._questions.items() if waiting.get(c) == each.sent}
        new = {c: _Question(sent, now) for c, sent in waiting.items() if _is_due(known.get(c), sent, now)}
        self._questions = {**known, **new}
        if new:  # all at once, since each may have to wait for as long as it takes to be sure
            threading.Thread(target=self._ask, args=(new,), daemon=True).start()
        for connection, question in known.items():
            if _is_lost(question, now) and self._waiting.get(connection) == question.sent:
                self._lost()
                _break(connection)

    def _ask(self, questions: Mapping[Connection, _Question]) -> None:
        at_work = set()
        with contextlib.suppress(psycopg.Error), self._connect() as other:
            pids = {connection: connection.info.backend_pid for connection in questions if not connection.closed}
            active = {pid for (pid,) in other.execute(_AT_WORK, [list(pids.values())])}
            at_work = {connection for connection, pid in pids.items() if pid in active or not self._direct}
        for connection, question in questions.items():
            question.at_work = connection in at_work


def _is_due(question: _Question | None, sent: float, now: float) -> bool:
    """Whether it is time to ask, for the first time or again."""
    if question is None:
        return now - sent > _SILENT
    return question.at_work is True and now - question.asked > _SILENT


def _is_lost(question: _Question, now: float) -> bool:
    return question.at_work is False or (question.at_work is None and now - question.asked > _ANSWER)


def _break(connection: Connection) -> None:
    """Whoever waits on it sees the end of the stream."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as theirs:
        theirs.shutdown(socket.SHUT_RDWR)
