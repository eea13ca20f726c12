"""The kinds of values that options take."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from jobyard.model.durations import seconds
from jobyard.model.sizes import size
from jobyard.model.states import FINAL, Status

__all__ = ["DURATION", "DUE", "JSON", "NAMED_JSON", "PARENT", "PAST", "SIZE", "STATUS"]


class _Duration(click.ParamType):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return seconds(value, _name(param))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Size(click.ParamType):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return size(int(value) if isinstance(value, str) and value.isdecimal() else value, _name(param))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Instant(click.ParamType):
    """An instant, or a duration from now; ``2025-11-03`` and times without a zone are local."""

    name = "when"

    def __init__(self, advice: str) -> None:
        self._advice = advice

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.of_duration(timedelta(seconds=seconds(value)))
        except ValueError:
            pass  # not a duration
        try:
            return datetime.fromisoformat(value).astimezone()
        except ValueError:
            self.fail(f"{value!r} is neither a time like 2025-11-03T09:30 nor {self._advice}", param, ctx)

    def of_duration(self, given: timedelta) -> Any:
        return given


class _Past(_Instant):
    def of_duration(self, given: timedelta) -> datetime:
        return datetime.now(UTC) - given


class _Json(click.ParamType):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return _loads(value)
        except ValueError:
            self.fail(f"{value!r} is no JSON; a text is written with quotes: {json.dumps(value)!r}", param, ctx)


class _NamedJson(_Json):
    name = "name=json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, sign, text = value.partition("=")
        if not sign or not name:
            self.fail(f"{value!r}: give a name, '=' and a value in JSON, like width=100", param, ctx)
        return name, super().convert(text, param, ctx)


class _Parent(click.ParamType):
    """``12`` or ``12:succeeded,failed``: a job and the ends of it that are waited for."""

    name = "id[:status,...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        id, _, statuses = value.partition(":")
        ends = {status for status in statuses.split(",") if status} or {"succeeded", "skipped"}
        if not id.isdecimal() or not ends <= FINAL:
            final = ", ".join(status for status in Status if status in FINAL)
            self.fail(f"{value!r}: give a job's id, or 12:succeeded,failed with ends out of {final}", param, ctx)
        return int(id), ends


def _loads(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def _name(param: click.Parameter | None) -> str:
    return param.opts[0] if param is not None else "value"


DURATION = _Duration()
SIZE = _Size()
DUE = _Instant("a wait like 90s, 5m or 6h")
PAST = _Past("an age like 90s, 5m or 7d")
JSON = _Json()
NAMED_JSON = _NamedJson()
PARENT = _Parent()
STATUS = click.Choice([status.value for status in Status])
