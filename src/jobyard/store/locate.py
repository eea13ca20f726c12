"""From a URL to a driver."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from jobyard.errors import ConfigError
from jobyard.store.driver import Driver
from jobyard.store.sqlite import SqliteDriver

__all__ = ["masked", "open_driver"]

_SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL", "extra": "EXTRA"}


def open_driver(url: str, *, busy_timeout: float) -> Driver:
    """The driver that the scheme of *url* names. Raises `ConfigError`."""
    found = _PASSWORD.search(url)
    try:
        scheme = urlsplit(url).scheme
    except ValueError:  # its words may have the password
        scheme = None
    if scheme is None or (found and found["raw"]):
        msg = f"url {masked(url)!r}: this is no URL; a password with / ? # [ or ] has them as %2F %3F %23 %5B or %5D"
        raise ConfigError(msg)
    if scheme == "sqlite":
        return _sqlite(url, busy_timeout)
    if scheme in ("postgresql", "postgres") and "://" in url:
        return _postgres(url, busy_timeout)
    msg = (
        f"url {masked(url)!r}: give sqlite:///file.db (relative), sqlite:////folder/file.db (absolute) "
        "or postgresql://user@host/database"
    )
    raise ConfigError(msg)


def _sqlite(url: str, busy_timeout: float) -> SqliteDriver:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if options or synchronous not in _SYNCHRONOUS:
        bad = next(iter(options), f"synchronous={synchronous}")
        msg = f"url {masked(url)!r}: unknown option {bad!r}; a SQLite URL takes ?synchronous=full, normal or extra"
        raise ConfigError(msg)
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path or path.endswith("/") or ":memory:" in path:
        msg = f"url {masked(url)!r}: give the path of a file, like sqlite:///jobyard.db or sqlite:////srv/jobyard.db"
        raise ConfigError(msg)
    return SqliteDriver(Path(path).absolute(), busy_timeout=busy_timeout, synchronous=_SYNCHRONOUS[synchronous])


_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,49}")
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
    from full grant group having ilike in information_schema initially inner intersect into is isnull join lateral
    leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer overlaps
    placing primary references returning right select session_user similar some symmetric system_user table
    tablesample then to trailing true union unique user using variadic verbose when where window with
    """.split()  # noqa: SIM905 - as a list they would fill a page
)
"""A schema of the server's, and the words that are no names in SQL unless they are quoted."""
_SWITCH = {"on": True, "off": False}


def _postgres(url: str, busy_timeout: float) -> Driver:
    try:
        from psycopg import ProgrammingError

        from jobyard.store.postgres import PostgresDriver, Target
    except ImportError as error:
        msg = f"url {masked(url)!r}: PostgreSQL needs psycopg, run `pip install 'jobyard[postgres]'` ({error})"
        raise ConfigError(msg) from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    schema = options.pop("schema", "jobyard")
    notify, prepare = (options.pop(name, "on") for name in ("notify", "prepare"))
    if not _SCHEMA.fullmatch(schema):
        msg = f"url {masked(url)!r}: schema={schema!r} is no name of at most 50 letters a-z, digits and _"
        raise ConfigError(msg)
    if schema in _RESERVED or schema.startswith("pg_"):
        msg = f"url {masked(url)!r}: schema={schema!r} is taken by PostgreSQL itself: give another name, like jobs"
        raise ConfigError(msg)
    if notify not in _SWITCH or prepare not in _SWITCH:
        msg = f"url {masked(url)!r}: notify= and prepare= are on or off"
        raise ConfigError(msg)
    user, at, server = parts.netloc.rpartition("@")
    # libpq would take what comes after the first @ of a password for the server.
    netloc = f"{user.replace('@', '%40')}{at}{server}"
    conninfo = f"postgresql://{netloc}{parts.path}?{urlencode(options, quote_via=quote)}"
    try:
        return PostgresDriver(Target(conninfo, schema, _SWITCH[prepare], busy_timeout), notify=_SWITCH[notify])
    except ProgrammingError as error:  # libpq's word on what it cannot read
        msg = f"url {masked(url)!r}: {_scrubbed(str(error).strip(), url)}"
        raise ConfigError(msg) from None


_HIDDEN = "***"
_PASSWORD = re.compile(r"(?<=://)([^:/?#@[]*:)(?:[^/?#]*|(?P<raw>(?!\d*[,/?]).*))@")
"""That of the user; raw if it has a character in it that ends the part of a URL that it is in."""
_OPTION = re.compile(r"([?&](?:ssl)?password=)[^&]*")
_QUOTED = re.compile(r'"([^"]*)"')


def masked(url: str) -> str:
    """The URL with ``***`` for each password."""
    return _PASSWORD.sub(rf"\1{_HIDDEN}@", _OPTION.sub(rf"\1{_HIDDEN}", url))


def _scrubbed(words: str, url: str) -> str:
    """What libpq says of a URL, which quotes parts of it, without those that are masked."""
    shown = masked(url)
    return _QUOTED.sub(lambda found: f'"{_HIDDEN}"' if found[1] in url and found[1] not in shown else found[0], words)
