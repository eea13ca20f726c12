"""How a command ends that could not do what it was told: one line on stderr, and 1 or 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from jobyard import errors
from jobyard.cli.output import warn

__all__ = ["FAILED", "INTERRUPTED", "WRONG", "Failure", "WrongUse", "translated"]

FAILED = 1
"""Refused, or failed."""
WRONG = 2
"""The command makes no sense as it was given; click ends with the same."""
INTERRUPTED = 130

_REFUSED = (
    errors.BadDefinitions,
    errors.UnknownJob,
    errors.UnknownDefinition,
    errors.UnknownMachine,
    errors.InvalidTransition,
    errors.PreconditionFailed,
    errors.DependencyCycle,
    errors.MissingDependencies,
    errors.QueueClosed,
    errors.NotFinished,
)
"""Usage errors of the library that say something about the jobs and not about the words of the command."""


class Failure(click.ClickException):
    """Ends the command with this text on stderr, and with 1."""

    exit_code = FAILED

    def show(self, file: object = None) -> None:
        warn(f"jobyard: {self.message}")


class WrongUse(Failure):
    """The same, and with 2."""

    exit_code = WRONG


@contextmanager
def translated() -> Iterator[None]:
    """Whatever jobyard refuses becomes a `Failure`; no traceback of ours reaches a user."""
    try:
        yield
    except errors.JobyardError as error:
        is_wrong = isinstance(error, errors.UsageError) and not isinstance(error, _REFUSED)
        raise (WrongUse if is_wrong else Failure)(str(error)) from error
    except OverflowError as error:
        msg = f"a number is too large: {error}"
        raise WrongUse(msg) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
