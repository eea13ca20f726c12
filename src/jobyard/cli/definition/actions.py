"""``jobyard definition build``, ``request``, ``pause``, ``resume``, ``retire``, ``delete`` and ``delete-build``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobyard.cli import output
from jobyard.cli.command import Command, json_option, setting_options
from jobyard.cli.data import job_data
from jobyard.cli.definition.show import definition_data
from jobyard.cli.failure import Failure
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.params import job_id
from jobyard.cli.session import Session, pass_session
from jobyard.errors import JobyardError, UnknownJob

if TYPE_CHECKING:
    from jobyard.definitions import Definition, Definitions
    from jobyard.model.job import Job
    from jobyard.yard import Yard

__all__ = ["build", "build_all", "build_options", "delete", "delete_build", "pause", "request", "resume", "retire"]

F = TypeVar("F", bound=Callable[..., Any])

_user = setting_options(("user",))
_names = click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=DEFINITIONS)


def build_options(function: F) -> F:
    """What `build` and `run` have in common."""
    options = (
        click.option("--deps", is_flag=True, help="Also build dependencies that have no successful build."),
        click.option("--revdeps", is_flag=True, help="Also build all that depends on what is built."),
        click.option(
            "--pin", "pins", type=_pin, multiple=True, metavar="NAME=ID",
            help="Take this build of a definition, or 'new' for a new one; may be repeated.",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before a protected definition is built."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _pin(value: str) -> tuple[str, int | None]:
    name, sign, build = value.rpartition("=")
    if not sign or not name:
        msg = f"{value!r}: give the name of a definition, '=' and the id of a build, or 'new'"
        raise click.BadParameter(msg)
    return name, None if build == "new" else job_id(build)


@click.command(cls=Command)
@_names
@build_options
@_user
@json_option
@pass_session
def build(session: Session, /, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """
    Store builds of definitions and print their ids; a worker runs them.

    Each dependency is the pinned build, else the latest successful one.

    \b
    Examples:
      jobyard definition build report
      jobyard definition build report --deps --pin extract=12
    """
    jobs = build_all(session.yard(), names, **options)
    if as_json:
        output.print_json([job_data(job) for job in jobs])
        return
    for job in jobs:
        output.line(job.id)


def build_all(
    yard: Yard,
    names: Iterable[str],
    *,
    deps: bool,
    revdeps: bool,
    pins: tuple[tuple[str, int | None], ...],
    yes: bool,
) -> list[Job[Any]]:
    """The builds of these definitions, once whoever sits there agreed to build the protected ones."""
    names = tuple(dict.fromkeys(names))
    if not yes:
        _agree(yard, names)
        planned = [each for name in names for each in yard.definitions.planned(name, deps, revdeps, dict(pins))]
        _agree(yard, [each for each in planned if each not in names])
    return [yard.build(name, deps, revdeps, dict(pins)) for name in names]


def _agree(yard: Yard, names: Iterable[str]) -> None:
    """Ask before protected definitions are built."""
    for name in dict.fromkeys(names):
        if yard.definitions.get(name).protected:
            click.confirm(f"{name} is protected. Build it?", abort=True, err=True)


@click.command(cls=Command)
@_names
@_user
@json_option
@pass_session
def request(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Have definitions run now, ahead of what runs by itself; one that is failing starts anew.

    \b
    Examples:
      jobyard --user ann definition request report
    """
    _each(session, names, as_json, lambda definitions, name: definitions.request(name))


@click.command(cls=Command)
@_names
@_user
@json_option
@pass_session
def pause(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Have definitions make no more jobs until they are resumed; what runs goes on.

    \b
    Examples:
      jobyard definition pause report
    """
    _each(session, names, as_json, lambda definitions, name: definitions.pause(name))


@click.command(cls=Command)
@_names
@_user
@json_option
@pass_session
def resume(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Make definitions active again, also drafts, and those that are failing, with a new row of failures.

    \b
    Examples:
      jobyard definition resume report
    """
    _each(session, names, as_json, lambda definitions, name: definitions.resume(name))


@click.command(cls=Command)
@_names
@_user
@json_option
@pass_session
def retire(session: Session, /, names: tuple[str, ...], as_json: bool) -> None:
    """
    Have definitions make no more jobs, not even by hand.

    \b
    Examples:
      jobyard definition retire report
    """
    _each(session, names, as_json, lambda definitions, name: definitions.retire(name))


@click.command(cls=Command)
@_names
@_user
@pass_session
def delete(session: Session, /, names: tuple[str, ...]) -> None:
    """
    Forget definitions that no other depends on. Their builds stay as jobs.

    \b
    Examples:
      jobyard definition delete report
    """
    definitions = session.yard().definitions
    for name in dict.fromkeys(names):
        definitions.delete(name)
        output.line(f"definition {name} deleted")


@click.command("delete-build", cls=Command)
@click.argument("ids", metavar="ID...", type=job_id, nargs=-1, required=True)
@_user
@pass_session
def delete_build(session: Session, /, ids: tuple[int, ...]) -> None:
    """
    Delete builds with their logs, each after the clean-up of its definition was called with its result.

    A clean-up that fails leaves the build there; deleting it again repeats the call. Clean-ups need --app.

    \b
    Examples:
      jobyard --app shop.jobs definition delete-build 12 13
    """
    yard = session.yard()
    for id in dict.fromkeys(ids):
        if not _is_build(yard, id):
            output.warn(f"there is no build {id}")
            continue
        try:
            yard.definitions.delete_build(id)
        except JobyardError:
            raise
        except Exception as error:  # the user's own code
            msg = f"the clean-up of build {id} failed, so it stays: {type(error).__name__}: {error}"
            raise Failure(msg) from error
        output.line(f"build {id} deleted")


def _is_build(yard: Yard, id: int) -> bool:
    try:
        yard.builds.get_build(id)
    except UnknownJob:
        return False
    return True


def _each(session: Session, names: Iterable[str], as_json: bool, act: Callable[[Definitions, str], Definition]) -> None:
    definitions = session.yard().definitions
    changed = [act(definitions, name) for name in dict.fromkeys(names)]
    if as_json:
        output.print_json([definition_data(each) for each in changed])
        return
    for each in changed:
        job = each.job
        output.line(f"definition {each.name} is {each.state}{f', job {job.id} is {job.status}' if job else ''}")
