"""``jobyard doctor``."""

from __future__ import annotations

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option
from jobyard.cli.failure import FAILED
from jobyard.cli.session import Session, pass_session

__all__ = ["command"]


@click.command("doctor", cls=Command)
@json_option
@pass_session
def command(session: Session, as_json: bool) -> None:
    """
    Check a live store for what must always hold; 1 if something does not.

    It reads and changes nothing. What it finds is a bug of jobyard, or a hand in its tables.

    \b
    Examples:
      jobyard doctor
    """
    from jobyard.store.doctor import CHECKS, examine

    store = session.yard().store
    faults = examine(store)
    if as_json:
        output.print_json({"location": store.location, "faults": faults})
    else:
        for fault in faults:
            output.line(f"{fault.invariant}: {fault.text}")
        verdict = f"{len(faults)} found" if faults else f"all {len(CHECKS)} checks hold"
        output.line(f"{store.location}: {verdict}")
    if faults:
        raise click.exceptions.Exit(FAILED)
