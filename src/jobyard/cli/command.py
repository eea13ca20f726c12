"""
The commands and their common options.

A setting is an option made from its field, so a new one appears here by itself. ``--app``, ``--url`` and
``--no-color`` are taken before the noun and after the verb alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, TypeVar

import click

from jobyard.cli import format, output
from jobyard.cli.failure import translated
from jobyard.cli.names import QUEUE_LIST
from jobyard.cli.session import Session
from jobyard.config import SETTINGS

__all__ = ["Command", "Noun", "Root", "json_option", "setting_options"]

F = TypeVar("F", bound=Callable[..., Any])

_METAVARS = {
    "int": "N",
    "float": "DURATION",
    "float | None": "DURATION",
    "tuple[str, ...]": "NAME,...",
    "LogLimit": "LINES,BYTES",
}
_COMPLETED = {"queues": QUEUE_LIST}
_OWN_METAVARS = {"url": "URL", "app": "MODULE:YARD", "log_level": "LEVEL", "user": "NAME", "max_payload": "SIZE"}


def setting_option(name: str, *, hidden: bool = False) -> click.Option:
    """The option of one setting. Its value is checked where all settings are, and named there by its option."""
    field = SETTINGS[name]
    return click.Option(
        [f"--{name.replace('_', '-')}"],
        expose_value=False,
        callback=_note,
        shell_complete=_COMPLETED.get(name),
        hidden=hidden,
        metavar=_OWN_METAVARS.get(name) or _METAVARS.get(str(field.type), "TEXT"),
        help=f"{field.metadata['doc']}{_default(name)}",
    )


def setting_options(names: Iterable[str]) -> Callable[[F], F]:
    """Give a command the options of these settings, in this order and behind its own."""
    options = [setting_option(name) for name in names]

    def decorate(function: F) -> F:
        function.__click_params__ = [*reversed(options), *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
        return function

    return decorate


def _default(name: str) -> str:
    default = SETTINGS[name].default
    if default is None or default == ():
        return ""
    shown = format.compact(default) if isinstance(default, float) else str(default)
    return f"  [default: {shown}]"


def _note(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Session).given[str(param.name)] = value


def _no_colour(_ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    if given:
        output.forbid_colour()


def _common_options() -> list[click.Parameter]:
    colour = click.Option(
        ["--no-color"], is_flag=True, expose_value=False, callback=_no_colour, help="Print without colours."
    )
    return [setting_option("app"), setting_option("url"), colour]


def json_option(function: F) -> F:
    """``--json``, given to the function as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(function)


class Command(click.Command):
    """A command that takes the common options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _common_options()


class Noun(click.Group):
    """The commands of one noun."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _common_options()


class Root(click.Group):
    """``jobyard``. A noun's module is loaded when the noun is used, or listed."""

    def __init__(self, *args: Any, nouns: Iterable[str], shown: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nouns = tuple(nouns)
        shown = tuple(shown)
        self.params += _common_options()
        own = {"app", "url"}
        self.params += [setting_option(name, hidden=name not in shown) for name in SETTINGS if name not in own]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._nouns)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._nouns:
            return None
        command: click.Command = import_module(f"jobyard.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        session = ctx.ensure_object(Session)
        with translated():
            try:
                return super().invoke(ctx)
            finally:
                session.close()
