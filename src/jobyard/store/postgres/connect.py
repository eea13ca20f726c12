"""Opening connections: how each is set up, and what it is told about time-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

__all__ = ["Target"]

_OLDEST = 14
"""The first version of the server that is tested."""
_DEFAULTS: dict[str, Any] = {
    "application_name": "jobyard",
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""What the URL may set otherwise. A peer that no longer answers is noticed within 15 s."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    A database, a schema in it and how to speak to it.

    Args:
        conninfo: what libpq takes.
        prepare: whether statements are prepared and settings last as long as the connection; not behind a pooler.
        busy_timeout: seconds that a statement waits for a lock.
    """

    conninfo: str
    schema: str
    prepare: bool
    busy_timeout: float

    def connect(self, timeout: int | None = None) -> psycopg.Connection:
        """A connection in autocommit, within *timeout* seconds. Raises psycopg's errors."""
        given = psycopg.conninfo.conninfo_to_dict(self.conninfo)
        parts = {**_DEFAULTS, **given, "client_encoding": "utf8"}
        if timeout is not None:
            parts["connect_timeout"] = timeout
        if self.prepare:  # it lasts as long as the connection, and costs no round trip
            settings = " ".join(f"-c {name}={value}" for name, value in self._values())
            parts["options"] = f"{settings} {given.get('options', '')}"
        connection = psycopg.connect("", autocommit=True, prepare_threshold=None, **parts)
        _check_version(connection)
        return connection

    @property
    def settings(self) -> str:
        """The columns of a select that sets what a transaction goes by, where a connection has no memory."""
        return ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self._values())

    def _values(self) -> list[tuple[str, str]]:
        return [
            ("search_path", self.schema),
            ("lock_timeout", f"{round(self.busy_timeout * 1000)}ms"),
            # A worker that was frozen within a transaction must not keep what it had locked.
            ("idle_in_transaction_session_timeout", "5s"),
            # A plan made while a table was small must not read all of it when it has grown.
            ("enable_seqscan", "off"),
            # What is tested is what runs, and the first runs of a statement are as fast as the others.
            ("plan_cache_mode", "force_generic_plan"),
            ("jit", "off"),
            # The server, too, lets go of a client that vanished, and of the rows that it had locked.
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "3"),
            ("tcp_keepalives_count", "3"),
        ]


def _check_version(connection: psycopg.Connection) -> None:
    """Close a connection to a server that is too old, and raise psycopg's `NotSupportedError`."""
    if connection.info.server_version < _OLDEST * 10_000:
        version = connection.info.parameter_status("server_version")
        connection.close()
        msg = f"the server is PostgreSQL {version}, and jobyard needs {_OLDEST} or later"
        raise psycopg.NotSupportedError(msg)
