"""``jobyard doctor``."""

from __future__ import annotations

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.failure import FAILED
from jobyard.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("doctor", cls=Command)
@json_option
@pass_session
def command(session: Session, /, as_json: bool) -> None:
    """
    Check a live store for what must always hold; 1 if something does not.

    It reads and changes nothing. What it finds is a bug of jobyard, or a hand in its tables.

    \b
    Examples:
      jobyard doctor
    """
    from jobyard.store.invariants import check_invariants, facts

    yard = session.yard()
    store, settings = yard.store, yard.settings
    now = store.now()
    known = facts(store, now)
    found = check_invariants(store, now=now, lost_after=settings.lost_after, max_crashes=settings.max_crashes)
    if as_json:
        output.print_json(
            {"location": store.location, "facts": known, "violations": [each._asdict() for each in found]}
        )
    else:
        output.line(store.location)
        for name, value in known.items():
            output.line(f"  {name.replace('_', ' ')}: {value}")
        for violation in found:
            output.warn(f"{violation.id}: {violation.text}: job {', '.join(map(str, violation.jobs))}")
        output.line(f"{format.plural(len(found), 'invariant')} broken" if found else "all invariants hold")
    if found:
        raise click.exceptions.Exit(FAILED)
