"""From a URL to a driver."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from jobyard.errors import ConfigError
from jobyard.store.driver import Driver
from jobyard.store.sqlite import SqliteDriver

__all__ = ["open_driver"]

_SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL", "extra": "EXTRA"}


def open_driver(url: str, *, busy_timeout: float) -> Driver:
    """The driver that the scheme of *url* names. Raises `ConfigError`."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return _sqlite(url, busy_timeout)
    if scheme in ("postgresql", "postgres") and "://" in url:
        return _postgres(url, busy_timeout)
    msg = (
        f"url {_without_password(url)!r}: give sqlite:///file.db (relative), sqlite:////folder/file.db (absolute) "
        "or postgresql://user@host/database"
    )
    raise ConfigError(msg)


def _sqlite(url: str, busy_timeout: float) -> SqliteDriver:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if options or synchronous not in _SYNCHRONOUS:
        bad = next(iter(options), f"synchronous={synchronous}")
        msg = f"url {url!r}: unknown option {bad!r}; a SQLite URL takes ?synchronous=full, normal or extra"
        raise ConfigError(msg)
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path or path.endswith("/") or ":memory:" in path:
        msg = f"url {url!r}: give the path of a file, like sqlite:///jobyard.db or sqlite:////srv/jobyard.db"
        raise ConfigError(msg)
    return SqliteDriver(Path(path).absolute(), busy_timeout=busy_timeout, synchronous=_SYNCHRONOUS[synchronous])


_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,49}")
_SWITCH = {"on": True, "off": False}


def _postgres(url: str, busy_timeout: float) -> Driver:
    try:
        from psycopg import ProgrammingError

        from jobyard.store.postgres import PostgresDriver, Target
    except ImportError as error:
        msg = (
            f"url {_without_password(url)!r}: PostgreSQL needs psycopg, run `pip install 'jobyard[postgres]'` ({error})"
        )
        raise ConfigError(msg) from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = options.pop("schema", "jobyard")
    notify, prepare = (options.pop(name, "on") for name in ("notify", "prepare"))
    if not _SCHEMA.fullmatch(schema):
        msg = f"url {_without_password(url)!r}: schema={schema!r} is no name of at most 50 letters a-z, digits and _"
        raise ConfigError(msg)
    if notify not in _SWITCH or prepare not in _SWITCH:
        msg = f"url {_without_password(url)!r}: notify= and prepare= are on or off"
        raise ConfigError(msg)
    conninfo = f"postgresql://{parts.netloc}{parts.path}?{urlencode(options, quote_via=quote)}"
    try:
        return PostgresDriver(Target(conninfo, schema, _SWITCH[prepare], busy_timeout), notify=_SWITCH[notify])
    except ProgrammingError as error:  # libpq's word on what it cannot read
        msg = f"url {_without_password(url)!r}: {str(error).strip()}"
        raise ConfigError(msg) from None


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "password"])
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query).geturl()
