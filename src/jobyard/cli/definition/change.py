"""``jobyard definition change``."""

from __future__ import annotations

from typing import Any

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.definition.show import definition_data
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.session import Session, pass_session

__all__ = ["change"]

_AS_YAML = {"args", "kwargs", "dependencies", "retry", "priority", "protected", "failure_limit"}
"""Keys whose values are more than a text."""


def _key(value: str) -> tuple[str, str]:
    from jobyard.definitions.recipes import KEYS

    key, sign, text = value.partition("=")
    if not sign or not key:
        msg = f"{value!r}: give a key, '=' and its value, like every=6h"
        raise click.BadParameter(msg)
    known = [each for each in KEYS if each != "name"]
    if key not in known:
        msg = f"{key!r} is no key that can be changed: there are {', '.join(known)}"
        raise click.BadParameter(msg)
    return key, text


@click.command(cls=Command)
@click.argument("name", shell_complete=DEFINITIONS)
@click.argument("keys", metavar="KEY=VALUE...", type=_key, nargs=-1, required=True)
@setting_options(("user",))
@json_option
@pass_session
def change(session: Session, /, name: str, keys: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """
    Change keys of a definition, for later jobs. A key without a value is taken back.

    The keys are those of the file of definitions; lists, mappings and numbers are written as there.

    \b
    Examples:
      jobyard --app shop.jobs definition change report every=12h timeout=
      jobyard --app shop.jobs definition change report 'args=[!retval extract, 3]' --user ann
    """
    yard = session.app()
    before = yard.definitions.get(name)
    after = yard.definitions.change(name, **{key: _value(key, text) for key, text in keys})
    if as_json:
        output.print_json(definition_data(after))
        return
    is_changed = after.changed_at != before.changed_at
    output.line(f"definition {name} is {'changed' if is_changed else 'as before'}")


def _value(key: str, text: str) -> Any:
    from jobyard.definitions.document import value

    return value(text) if text and key in _AS_YAML else text or None
