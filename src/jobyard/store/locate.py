"""From a URL to a driver."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

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
    msg = f"url {url!r}: give sqlite:///file.db (relative) or sqlite:////folder/file.db (absolute)"
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
