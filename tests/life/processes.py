"""Real processes around one store: workers that can be killed, and what must be true afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from tests.life import app
from tests.support import eventually

from jobyard import Yard
from jobyard.errors import StoreBusy
from jobyard.store.invariants import check_invariants

__all__ = ["Process", "Site"]

LOST_AFTER = 1.0


class Process:
    """A program of the application; `prefix` is a command that runs another one, given behind it."""

    def __init__(self, site: Site, args: tuple[str, ...], settings: dict[str, Any], prefix: tuple[str, ...]) -> None:
        env = {f"JOBYARD_{name.upper()}": str(value) for name, value in settings.items()}
        self.log = site.folder / "programs.log"
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*prefix, sys.executable, app.__file__, *args],
                cwd=site.folder,
                env={**os.environ, **site.env, **env},
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """As the system does it when memory runs out."""
        self._popen.kill()
        self._popen.wait()

    def wait(self, timeout: float = 30) -> int:
        return self._popen.wait(timeout)

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children(recursive=True)


class Site:
    """A folder with a store, and the programs that were started around it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.file = folder / "jobyard.db"
        self.env = {"LIFE_FOLDER": str(folder), "LIFE_FILE": str(self.file), "JOBYARD_URL": url}
        self.yard = Yard(url, lost_after=LOST_AFTER, heartbeat=0.2)
        self.tasks = app.register(self.yard)
        self._started: list[Process] = []

    def worker(self, *, prefix: tuple[str, ...] = (), **settings: Any) -> Process:
        """A worker that claims by now. Quick to be lost, and jobs outlive as many crashes as there may be."""
        known = len(self.workers())
        process = self.start("worker", prefix=prefix, **settings)
        eventually(lambda: len(self.workers()) > known, timeout=30)
        return process

    def start(self, *args: str, prefix: tuple[str, ...] = (), **settings: Any) -> Process:
        usual = {"heartbeat": 0.2, "lost_after": LOST_AFTER, "max_crashes": 1000, "concurrency": 4}
        process = Process(self, args, {**usual, **settings}, prefix)
        self._started.append(process)
        return process

    def lines(self, name: str) -> list[str]:
        """What the tasks have noted in a file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def log(self) -> str:
        """What the programs have said."""
        return "\n".join(self.lines("programs.log"))

    def size(self, name: str) -> int:
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0

    def workers(self) -> list[Any]:
        """The rows of all workers, oldest first."""
        with self.yard.store.read() as tx:
            return self.yard.store.workers.all(tx)

    def freeze(self, process: Process) -> None:
        """SIGSTOP, as a debugger or a frozen machine does it; not within a transaction, which all would wait for."""

        def frozen() -> bool:
            process.signal(signal.SIGSTOP)
            eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
            if self._takes_writers():
                return True
            process.signal(signal.SIGCONT)
            return False

        eventually(frozen)

    def _takes_writers(self) -> bool:
        with Yard(self.url, busy_timeout=0.2) as yard:
            try:
                with yard.store.transaction():
                    return True
            except StoreBusy:
                return False

    def let_go(self) -> None:
        (self.folder / "go").touch()

    def crashes(self, id: int) -> int:
        with self.yard.store.read() as tx:
            return self.yard.store.jobs.get(tx, id).crashes

    def check(self) -> None:
        """The file is sound, and all that must always be true is."""
        store = self.yard.store
        if store.driver.dialect == "sqlite":
            with sqlite3.connect(self.file) as connection:
                assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            connection.close()
        found = check_invariants(store, now=store.now(), lost_after=LOST_AFTER, max_crashes=1000)
        assert list(found) == []

    def close(self) -> None:
        for process in self._started:
            if process.is_alive:
                process.signal(signal.SIGCONT)
                process.kill()
        self.yard.close()
