"""
The settings: what each means, and where its value comes from.

Rule 1: default < ``jobyard.toml`` in the working directory < environment < arguments of `Yard` < command line, field by
field. Not given (None, or an empty environment variable) is not a value, so it hides nothing.
Rule 2: a name that cannot be a setting is an error, with the nearest one that is. Of the environment, which is shared
with other programs, only near misses are: ``JOBYARD_MAX_CRASH`` is refused, ``JOBYARD_TEST_PG`` is somebody else's.
Rule 3: nothing but this file reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jobyard.errors import ConfigError
from jobyard.model.durations import seconds
from jobyard.model.sizes import size

__all__ = [
    "FILE",
    "SETTINGS",
    "LogLimit",
    "Settings",
    "command_line",
    "ignored_variables",
    "load_settings",
    "notify_socket",
    "set_command_line",
]

T = TypeVar("T")

FILE = "jobyard.toml"

_PREFIX = "JOBYARD_"
_OFF = ("off", "none", "never", "0", 0)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_NEAR = 0.8
"""From which likeness on an unknown name is a misspelt one."""
_SIMILAR = 0.5
"""From which likeness on a setting is worth naming in its stead."""


class LogLimit(NamedTuple):
    """How much of the log of an attempt is kept; of a longer one the head and the tail are."""

    lines: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.lines} lines, {self.bytes} bytes"


_LOG_LIMIT = LogLimit(10_000, 8 * 2**20)


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise _unfit(name, value, "a text")


def _texts(value: object, name: str) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple, set, frozenset)) or not all(isinstance(part, str) for part in parts):
        raise _unfit(name, value, "names, as a list or divided by commas")
    return tuple(stripped for part in parts if (stripped := part.strip()))


def _count(value: object, name: str) -> int:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _unfit(name, value, "a whole number from 1")
    return value


def _duration(value: object, name: str) -> float:
    if not (length := seconds(value, name)):
        raise _unfit(name, value, "a duration above 0")
    return length


def _optional_duration(value: object, name: str) -> float | None:
    if not isinstance(value, bool) and (value.strip().lower() if isinstance(value, str) else value) in _OFF:
        return None
    return _duration(value, name)


def _wait(value: object, name: str) -> float:
    return seconds(value, name)


def _log_limit(value: object, name: str) -> LogLimit:
    """``10000``, ``"10000, 8M"``, ``[10000, "8M"]`` or ``{lines = 10000, bytes = "8M"}``."""
    if isinstance(value, Mapping) and set(value) <= {"lines", "bytes"}:
        value = (value.get("lines", _LOG_LIMIT.lines), value.get("bytes", _LOG_LIMIT.bytes))
    elif isinstance(value, str):
        value = value.split(",")
    parts = list(value) if isinstance(value, (list, tuple)) else [value]
    if not 1 <= len(parts) <= 2:
        raise _unfit(name, value, "lines and bytes, like '10000, 8M'")
    return LogLimit(_count(parts[0], name), size(parts[1], name) if len(parts) == 2 else _LOG_LIMIT.bytes)


def _log_level(value: object, name: str) -> str:
    level = value.strip().upper() if isinstance(value, str) else value
    if level not in _LEVELS:
        raise _unfit(name, value, f"one of {', '.join(_LEVELS).lower()}")
    return str(level)


def _unfit(name: str, value: object, wanted: str) -> ValueError:
    return ValueError(f"{name}={value!r}: give {wanted}")


def _setting(default: T, parse: Callable[[object, str], T], doc: str, *, shown: bool = True) -> T:
    return field(default=default, repr=shown, metadata={"parse": parse, "doc": doc})


@dataclass(frozen=True)
class Settings:
    """
    All settings, in force for one yard.

    Durations are seconds. `sources` says for each field where its value comes from: ``default``, the path of the file,
    the environment variable, ``argument of Yard`` or the option of the command line.
    """

    url: str = _setting("sqlite:///jobyard.db", _text, "Where the jobs are stored.", shown=False)
    app: str | None = _setting(None, _text, "The yard of the application, as module:name.")
    queues: tuple[str, ...] = _setting((), _texts, "The queues a worker serves; none given: all of them.")
    concurrency: int = _setting(10, _count, "How many jobs a worker runs at the same time.")
    processes: int = _setting(1, _count, "Over how many processes a worker spreads its jobs.")
    busy_timeout: float = _setting(60.0, _duration, "How long a write waits for another writer of the SQLite file.")
    max_log: LogLimit = _setting(  # noqa: RUF009 a named tuple is as immutable as the others
        _LOG_LIMIT, _log_limit, "Lines and bytes kept of an attempt's log: its head and tail."
    )
    mask: tuple[str, ...] = _setting((), _texts, "More names whose values are hidden in tracebacks, like iban or pin.")
    heartbeat: float = _setting(
        5.0, _duration, "How often a worker says that it is alive; at least twice in lost_after."
    )
    lost_after: float = _setting(30.0, _duration, "After which silence a worker is lost and its jobs go to others.")
    poll: float = _setting(5.0, _duration, "How often an idle worker looks for jobs that nobody woke it for.")
    shutdown_grace: float = _setting(25.0, _wait, "How long a stopping worker lets its jobs go on.")
    cancel_grace: float = _setting(5.0, _wait, "How long a job that is told to stop may take before it is forced to.")
    max_crashes: int = _setting(3, _count, "How many lost workers or dead processes a job outlives before it fails.")
    max_payload: int = _setting(2**20, size, "The most bytes of the arguments, or of the result, of one call.")
    keep: float = _setting(7 * 86_400.0, _duration, "How long finished jobs are kept.")
    keep_failed: float = _setting(30 * 86_400.0, _duration, "How long failed jobs are kept.")
    reclaim_after: float = _setting(300.0, _duration, "After which silence a job that no worker holds is reclaimed.")
    failure_limit: int = _setting(5, _count, "How many failures in a row a recurring definition outlives.")
    aging: float | None = _setting(
        None, _optional_duration, "After how much waiting a job counts as one step more urgent; off by default."
    )
    log_level: str = _setting("INFO", _log_level, "From which level on the lines of a log are kept and shown.")
    user: str | None = _setting(None, _text, "Who acts, for the audit trail; not given: the user of this process.")
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


SETTINGS: dict[str, Field[Any]] = {setting.name: setting for setting in fields(Settings) if setting.metadata}
"""The fields that are settings, by name; ``metadata["doc"]`` has the sentence for people."""

_command_line: dict[str, Any] = {}


def set_command_line(values: Mapping[str, Any]) -> None:
    """Note what the command line says, before the application is imported and makes its yard."""
    _command_line.clear()
    _command_line.update(values)


def command_line() -> dict[str, Any]:
    """What was noted; a worker hands it on to its child processes."""
    return dict(_command_line)


def load_settings(
    arguments: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """
    The settings in force, each with its source.

    Args:
        arguments: the keywords given to `Yard`; None is not given.
        environ: instead of the environment of the process.
        folder: instead of the working directory.

    Raises:
        ConfigError: naming setting, value and source.
    """
    values: dict[str, Any] = {"user": _current_user()}
    sources = dict.fromkeys(SETTINGS, "default")
    given = [
        *_from_file((folder or Path.cwd()) / FILE),
        *_from_environment(os.environ if environ is None else environ),
        *((name, value, "argument of Yard") for name, value in (arguments or {}).items()),
        *((name, value, f"--{name.replace('_', '-')}") for name, value in _command_line.items()),
    ]
    if unknown := [_unknown(name, source) for name, _, source in given if name not in SETTINGS]:
        raise ConfigError("; ".join(unknown))
    for name, value, source in given:
        if value is not None:
            values[name], sources[name] = _parsed(name, value, source), source
    return _with_beats(Settings(**values, sources=sources))


_Given = tuple[str, Any, str]
"""Name, value and source."""


def _from_file(path: Path) -> Iterator[_Given]:
    if not path.is_file():
        return
    import tomllib  # most start without a file

    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        msg = f"{path}: {exc}"
        raise ConfigError(msg) from exc
    for name, value in content.items():
        yield name, value, str(path)


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Given]:
    for variable, value in environ.items():
        name = variable.removeprefix(_PREFIX).lower()
        if not variable.startswith(_PREFIX) or not value.strip():
            continue
        if name in SETTINGS or _nearest(name, _NEAR):
            yield name, value, variable


def _unknown(name: str, source: str) -> str:
    nearest = _nearest(name, _SIMILAR)
    hint = f"did you mean {nearest!r}?" if nearest else f"the settings are {', '.join(SETTINGS)}"
    return f"{source}: there is no setting {name!r}; {hint}"


def ignored_variables(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """The variables that begin as settings do and are none, each with the nearest that is one, if any is similar."""
    names = sorted(variable for variable in (os.environ if environ is None else environ) if _is_foreign(variable))
    nearest = {variable: _nearest(variable.removeprefix(_PREFIX).lower(), _SIMILAR) for variable in names}
    return {variable: name and f"{_PREFIX}{name.upper()}" for variable, name in nearest.items()}


def _is_foreign(variable: str) -> bool:
    return variable.startswith(_PREFIX) and variable.removeprefix(_PREFIX).lower() not in SETTINGS


def _nearest(name: str, cutoff: float) -> str | None:
    import difflib  # only for a name that is wrong

    return next(iter(difflib.get_close_matches(name, SETTINGS, n=1, cutoff=cutoff)), None)


def _parsed(name: str, value: object, source: str) -> Any:
    try:
        return SETTINGS[name].metadata["parse"](value, name)
    except ValueError as exc:
        msg = f"{source}: {exc}"
        raise ConfigError(msg) from exc


def _with_beats(settings: Settings) -> Settings:
    """The settings with a heartbeat that fits into `lost_after`."""
    if settings.heartbeat * 2 <= settings.lost_after:
        return settings
    if settings.sources["heartbeat"] == "default":
        sources = {**settings.sources, "heartbeat": f"lost_after of {settings.sources['lost_after']}"}
        return replace(settings, heartbeat=settings.lost_after / 6, sources=sources)
    msg = (
        f"{settings.sources['heartbeat']}: heartbeat={settings.heartbeat:g} must be at most half of "
        f"lost_after={settings.lost_after:g} ({settings.sources['lost_after']})"
    )
    raise ConfigError(msg)


def notify_socket(environ: Mapping[str, str] | None = None) -> str | None:
    """Where systemd listens for what a service says of itself; None if nobody does."""
    return (os.environ if environ is None else environ).get("NOTIFY_SOCKET") or None


def _current_user() -> str | None:
    import getpass  # loads slowly on some systems, and the environment mostly knows

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return None
