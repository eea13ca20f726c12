"""pgbouncer in front of the server of the tests."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from tests.postgres import free_port, short_folder, unprivileged
from tests.support import eventually

__all__ = ["Pooler", "installed"]

_CONNECTIONS = {"transaction": 3, "session": 30}
"""By mode: fewer than the clients of any test, which have to share them, and enough for one each."""


def installed() -> str | None:
    """The path of pgbouncer; Debian's lies where only root looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class Pooler:
    """
    One process. Each session or transaction of a client gets the connection that was used least lately.

    Args:
        clients: how many there may be at most.
        mode: ``transaction`` or ``session``.
    """

    def __init__(self, program: str, server: str, *, clients: int = 100, mode: str = "transaction") -> None:
        self.mode = mode
        self._clients = clients
        self.folder = Path(tempfile.mkdtemp(prefix="jobyard-pooler-", dir=short_folder()))
        self._program = program
        self._port = free_port()
        parts = conninfo_to_dict(server)
        self._database = parts["dbname"]
        (self.folder / "pgbouncer.ini").write_text(self._settings(parts))
        self._user = unprivileged()
        if self._user:
            shutil.chown(self.folder, self._user)
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{self._database}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "--quiet", str(self.folder / "pgbouncer.ini")],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            extra_groups=[] if self._user else None,
        )
        eventually(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            return False
        return True

    def _settings(self, parts: dict[str, object]) -> str:
        names = ("host", "port", "dbname", "user", "password")
        target = " ".join(f"{name}={parts[name]}" for name in names if name in parts)
        return f"""
[databases]
{self._database} = {target}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self._port}
unix_socket_dir =
auth_type = any
logfile = {self.folder}/log
pool_mode = {self.mode}
default_pool_size = {_CONNECTIONS[self.mode]}
server_round_robin = 1
max_client_conn = {self._clients}
"""
