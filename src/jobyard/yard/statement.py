"""The one statement that stores a simple job, for callers with a connection that jobyard does not know."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jobyard.errors import UsageError
from jobyard.model.newjob import NewJob
from jobyard.store import Store
from jobyard.store.foreign import single_insert
from jobyard.store.jobs import json_text

__all__ = ["insert_statement"]

_NAME = re.compile(r"(?<![:\w]):([a-z_]\w*)")

_STYLES: dict[str, Callable[[int, str], str]] = {
    "named": lambda _, name: f":{name}",
    "pyformat": lambda _, name: f"%({name})s",
    "qmark": lambda _number, _name: "?",
    "format": lambda _number, _name: "%s",
    "numeric": lambda number, _: f":{number}",
    "numeric_dollar": lambda number, _: f"${number}",
}


def insert_statement(store: Store, new: NewJob, paramstyle: str) -> tuple[str, Any]:
    """
    See `Yard.insert_statement`.

    Raises:
        UsageError: the job is not of the simple kind, or the style is unknown.
    """
    if paramstyle not in _STYLES:
        msg = f"paramstyle={paramstyle!r}: give one of {', '.join(_STYLES)}"
        raise UsageError(msg)
    _refuse_rich(new)
    sql, constants = single_insert(store)
    values = {
        "queue": new.queue,
        "task": new.ops[0].task,
        "priority": new.ops[0].priority if new.ops[0].priority is not None else new.priority,
        "args": new.ops[0].args,
        "requester": new.requester,
        "options": None if new.options is None else json_text(new.options),
        "due": new.due,
        "delay": new.delay or 0,
        **constants,
    }
    return _styled(sql, values, paramstyle)


def _refuse_rich(new: NewJob) -> None:
    given = {
        "several ops": len(new.ops) != 1,
        "dependencies": bool(new.after),
        "references": any(op.refs for op in new.ops),
        "unique=": new.unique is not None,
        "token=": new.token is not None,
        "expires=": new.expires is not None,
        "a definition": new.definition is not None,
    }
    refused = [name for name, is_given in given.items() if is_given]
    if refused:
        msg = f"one statement cannot store a job with {refused[0]}; use connection=, which may run several"
        raise UsageError(msg)


def _styled(sql: str, values: dict[str, Any], paramstyle: str) -> tuple[str, Any]:
    write = _STYLES[paramstyle]
    if paramstyle in ("named", "pyformat"):
        sql = sql.replace("%", "%%") if paramstyle == "pyformat" else sql
        return _NAME.sub(lambda found: write(0, found[1]), sql), values
    if paramstyle in ("qmark", "format"):
        order = _NAME.findall(sql)
        sql = sql.replace("%", "%%") if paramstyle == "format" else sql
        return _NAME.sub(lambda found: write(0, found[1]), sql), tuple(values[name] for name in order)
    names = list(dict.fromkeys(_NAME.findall(sql)))
    return _NAME.sub(lambda found: write(names.index(found[1]) + 1, found[1]), sql), tuple(values[n] for n in names)
