"""``jobyard doctor``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.failure import FAILED
from jobyard.cli.session import Session, pass_session
from jobyard.model.instants import from_micros

if TYPE_CHECKING:
    from jobyard.store.invariants import Violation

__all__ = ["command"]

_SHOWN: dict[str, Callable[[Any], str]] = {
    "clock": lambda micros: format.instant(from_micros(micros)),
    "clock_difference": lambda seconds: f"{'-' if seconds < 0 else ''}{format.length(abs(seconds))}",
    "size": format.size,
    "log_size": format.size,
    "oldest_transaction": format.length,
    "oldest_ready": format.length,
    "dead_rows": lambda tables: ", ".join(f"{name} {count:,}" for name, count in tables.items()) or "none",
    "invalid_indexes": lambda names: ", ".join(names) or "none",
    "notify_queue": format.percent,
}
"""The facts that are no plain words."""


@click.command("doctor", cls=Command)
@json_option
@pass_session
def command(session: Session, /, as_json: bool) -> None:
    """
    Check a live store for what must always hold; 1 if something does not.

    It reads and changes nothing. What it finds is a bug of jobyard, a hand in its tables, a broken disk, or what slows
    a PostgreSQL server down: an old transaction, an invalid index, a full queue of notifications.

    \b
    Examples:
      jobyard doctor
      jobyard doctor --json
    """
    from jobyard.store.invariants import check_invariants, facts

    yard = session.yard()
    store, settings = yard.store, yard.settings
    now = store.now()
    known = facts(store, now)
    faults: list[str] = known.pop("faults")
    warnings: list[str] = known.pop("warnings")
    found = check_invariants(store, now=now, lost_after=settings.lost_after, max_crashes=settings.max_crashes)
    if as_json:
        violations = [each._asdict() for each in found]
        output.print_json({"facts": known, "faults": faults, "warnings": warnings, "violations": violations})
    else:
        _print(known, [*faults, *map(_in_words, found)], warnings)
    if faults or found:
        raise click.exceptions.Exit(FAILED)


def _print(known: dict[str, Any], problems: list[str], warnings: list[str]) -> None:
    width = max(map(len, known))
    for name, value in known.items():
        shown = "-" if value is None else _SHOWN.get(name, str)(value)
        output.line(f"{name.replace('_', ' '):{width}} {shown}")
    for each in [*problems, *warnings]:
        output.warn(each)
    found = [
        f"{format.plural(len(each), kind)}" for kind, each in (("problem", problems), ("warning", warnings)) if each
    ]
    output.line(f"{' and '.join(found)} found" if found else "all is well")


def _in_words(violation: Violation) -> str:
    return f"{violation.id}: {violation.text}: {', '.join(f'job {id}' for id in violation.jobs)}"
