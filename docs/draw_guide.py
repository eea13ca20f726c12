"""
Draw the parts of the guide that the code knows best: all settings, and all commands with their options.

They stand between two comments in pages that are otherwise written by hand. Run it without arguments after a change to
`config.py` or the command line (``make fix`` does).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from jobyard.cli import cli
from jobyard.cli.format import compact, size
from jobyard.config import SETTINGS

HERE = Path(__file__).parent / "guide"

BEGIN, END = "% Drawn by docs/draw_guide.py: change the code, then run `make fix`.", "% Drawn up to here."

_COMMON = {"app", "url", "no_color", "help"}
"""Options that every command has; the page tells of them once."""
_SIZES = {"max_payload"}


def settings() -> str:
    """The table of settings."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | {_default(name)} | {field.metadata['doc']} |" for name, field in SETTINGS.items()]
    return "\n".join(rows)


def _default(name: str) -> str:
    value = SETTINGS[name].default
    if value is None or value == ():
        return ""
    if name in _SIZES:
        return f"`{size(value)}`"
    return f"`{compact(value) if isinstance(value, float) else value}`"


def commands() -> str:
    """A section for each command."""
    context = click.Context(cli, info_name="jobyard")
    return "\n\n".join(_section(path, command) for path, command in walk(cli, context))


def walk(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """All commands that can be run, with the words that run them."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from walk(command, inner)


def options(command: click.Command) -> Iterator[click.Option]:
    """The command's own options, as people see them."""
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden and param.name not in _COMMON:
            yield param


def _section(path: str, command: click.Command) -> str:
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\n")
    parts = [f"## `{path}`", text.strip()]
    if examples:
        lines = [line for line in inspect.cleandoc(examples).splitlines() if line.strip() != "Examples:"]
        parts.append("```sh\n" + inspect.cleandoc("\n".join(lines)) + "\n```")
    found = list(options(command))
    rows = [_row(option) for option in found if option.name != "as_json"]
    if rows:
        parts.append("\n".join(["| option | |", "|---|---|", *rows]))
    if len(rows) < len(found):
        parts.append("`--json` prints JSON instead.")
    return "\n\n".join(parts)


def _row(option: click.Option) -> str:
    words = ", ".join(f"`{f'{name} {_value(option)}'.strip()}`" for name in [*option.opts, *option.secondary_opts])
    meaning = re.sub(r"\s+", " ", option.help or "")
    default = f" [default: {option.default}]" if option.show_default else ""
    return f"| {words} | {meaning}{default} |"


def _value(option: click.Option) -> str:
    """What stands for the value of an option; not what click makes of it, which its versions say differently."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices)).replace("|", r"\|") if len(option.type.choices) < 6 else "NAME"
    return option.metavar or option.type.name.split()[0].upper()


DRAWN: dict[str, Callable[[], str]] = {"configuration.md": settings, "cli.md": commands}
"""The pages, and what is drawn into them."""


def drawn(name: str) -> str:
    """The page as it should be."""
    text = HERE.joinpath(name).read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{DRAWN[name]()}\n\n{END}{after}"


def main() -> None:
    """Write all pages."""
    for name in DRAWN:
        HERE.joinpath(name).write_text(drawn(name), encoding="utf-8")


if __name__ == "__main__":
    main()
