"""
A child process of a worker: the same host as in the claimer's process, at the other end of a socket.

Rule 1: it ends with the claimer, however that ends: by signal where the system offers it, and when its end of the
socket closes. It leaves the signals of terminals and service managers to the claimer.
Rule 2: isolated, it runs one job at a time in its main thread, and asks to be replaced when a job left a trace in it.
"""

from __future__ import annotations

import importlib
import logging
import mmap
import os
import signal
import socket
import sys
import threading
from io import TextIOWrapper
from typing import Any, TextIO, cast

from jobyard.config import set_command_line
from jobyard.model.messages import Outcome, Ready, Run, Worn
from jobyard.model.traceback import capture, encode
from jobyard.worker import wire
from jobyard.worker.attempt import Attempt, Carrier
from jobyard.worker.capture import Printed
from jobyard.worker.execute import Step
from jobyard.worker.host import Host
from jobyard.worker.interrupt import Aim, Interrupted, MainAim
from jobyard.worker.limits import die_with_parent, limited_memory, memory_in_use
from jobyard.worker.slots import ThreadSlot
from jobyard.worker.wire import CELLS, Setup, Wire

__all__ = ["main"]

_PR_WAIT = 60.0


def main() -> None:
    """Serve until told to stop, or the claimer is gone. The arguments are two descriptors and the parent's pid."""
    socket_fd, cells_fd, parent = map(int, sys.argv[1:4])
    die_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _nothing)  # no SIG_IGN: programs that a task starts would inherit it
    os.set_inheritable(socket_fd, False)
    end = socket.socket(fileno=socket_fd)
    setup = Wire.setup(end)
    claimer = Wire(end, shield=setup.isolated)
    cells = memoryview(mmap.mmap(cells_fd, 8 * CELLS)).cast("Q")
    os.close(cells_fd)
    try:
        app = _load(setup)
        host = (MainHost if setup.isolated else SharedHost)(app, setup, claimer, cells)
    except BaseException as error:
        claimer.send([Ready(error=encode(capture(error)))])
        raise
    _serve(host, claimer)


def _serve(host: SharedHost, claimer: Wire) -> None:
    link = host.shop.link
    host.start()
    link.started()
    claimer.send([Ready(sorted(host.shop.tasks))])
    threading.Thread(target=_listen, args=(host, claimer), name="jobyard-listen", daemon=True).start()
    host.serve()
    link.stopped()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # threads that would not end, and exit handlers of the app, keep nobody waiting


def _listen(host: Host, claimer: Wire) -> None:
    try:
        for messages in claimer.receive():
            host.tell(messages)
    finally:
        os._exit(0)  # the claimer is gone: nobody would hear what becomes of the jobs


def _load(setup: Setup) -> Any:
    """Import the app as the parent did."""
    sys.path[:] = setup.path
    sys.argv[:] = setup.argv
    set_command_line(setup.command_line)
    if setup.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = setup.python_path
    module, _, attribute = setup.app.partition(":")
    wire.importing = True
    app = importlib.import_module(module)
    wire.importing = False
    for name in attribute.split("."):
        app = getattr(app, name)
    return app


class SharedHost(Host):
    """The host of a child: it notes what has begun where the parent can see it after a crash."""

    def __init__(self, app: Any, setup: Setup, claimer: Wire, cells: memoryview) -> None:
        super().__init__(
            app.tasks.known,
            slots=setup.slots,
            send=claimer.send,
            codec=app.codec,
            link=app.link(),
            options=setup.options,
        )
        self._cells = cells
        self._jobs = 0
        self._worn = False
        self._catch_prints()

    def begin(self, run: Run, carrier: Carrier) -> Attempt | None:
        attempt = super().begin(run, carrier)
        if attempt is not None:
            self._cells[carrier.number % CELLS] = run.serial
        return attempt

    def report(self, attempt: Attempt, outcome: Outcome) -> None:
        if not outcome.more:
            self._jobs += 1
            if not self._worn and (why := self._wear()):
                self._worn = True
                self.say(Worn(why))  # before the outcome: after it the next run might be on its way
        super().report(attempt, outcome)

    def serve(self) -> None:
        """Wait in the main thread until the host has been told to stop, and its last run has ended."""
        while not self.done.wait(_PR_WAIT):
            continue

    def _wear(self) -> str | None:
        """Why this process has served enough."""
        options = self.options
        if options.max_jobs is not None and self._jobs >= options.max_jobs:
            return f"it has run {self._jobs} jobs"
        if options.max_memory is not None and (used := memory_in_use()) > options.max_memory:
            return f"it uses {used:,} bytes of memory"
        return None

    def _catch_prints(self) -> None:
        """Side by side with others a job's prints are told apart here; what bypasses `sys.stdout` goes by the pipe."""
        sys.stdout = cast(TextIO, Printed(_by_lines(sys.stdout), _stdout_logger))
        sys.stderr = cast(TextIO, Printed(_by_lines(sys.stderr), _stderr_logger, logging.WARNING))


class MainHost(SharedHost):
    """The host of a child that runs one job at a time in its main thread."""

    def __init__(self, app: Any, setup: Setup, claimer: Wire, cells: memoryview) -> None:
        super().__init__(app, setup, claimer, cells)
        self._slot = MainSlot(self)
        self._idle.append(self._slot)
        self._clean = _traces()

    def report(self, attempt: Attempt, outcome: Outcome) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # before the outcome: the parent then has all lines when it comes
        super().report(attempt, outcome)

    def serve(self) -> None:
        self._slot.serve()
        self.done.wait(_PR_WAIT)

    def _is_async(self, run: Run) -> bool:
        return False  # the main thread waits for its coroutine

    def _wear(self) -> str | None:
        left = [name for name, trace in _traces().items() if trace != self._clean[name]]
        return f"a job changed {' and '.join(left)}" if left else super()._wear()

    def _catch_prints(self) -> None:
        """The pipe keeps what is printed until the parent reads it, also when this process dies on the next line."""
        _by_lines(sys.stdout)
        _by_lines(sys.stderr)


class MainSlot(ThreadSlot):
    """The main thread as a slot. It is never given up: the parent kills the process instead."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, 1)

    def give_up(self, attempt: Attempt) -> bool:
        return False

    def _make_aim(self) -> Aim:
        return MainAim()

    def _call(self, attempt: Attempt, step: Step) -> Outcome:
        try:
            with limited_memory(attempt.run.memory_limit):
                return super()._call(attempt, step)
        except Interrupted:
            attempt.await_reason()
            raise


def _traces() -> dict[str, Any]:
    """What a job may leave behind in its process."""
    return {
        "the working directory": _folder(),
        "the environment": dict(os.environ),
        "the running threads": sum(not t.name.startswith(_OWN_THREADS) for t in threading.enumerate()),
    }


_OWN_THREADS = ("jobyard-", "asyncio_")


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it was deleted


def _by_lines(stream: TextIO) -> TextIO:
    cast(TextIOWrapper, stream).reconfigure(line_buffering=True, errors="backslashreplace")
    return stream


def _stdout_logger(run: Any) -> str:
    return "stdout"


def _stderr_logger(run: Any) -> str:
    return "stderr"


def _nothing(*_: Any) -> None:
    """The claimer decides when a child ends."""


if __name__ == "__main__":
    main()
