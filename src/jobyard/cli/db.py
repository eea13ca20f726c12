"""``jobyard db``: the tables."""

from __future__ import annotations

from dataclasses import asdict

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option, setting_options
from jobyard.cli.failure import FAILED, Failure
from jobyard.cli.session import Session, pass_session
from jobyard.store import migrate, open_store
from jobyard.store.copy import copy

__all__ = ["command"]

_user = setting_options(("user",))


@click.command(cls=Noun, name="db")
def command() -> None:
    """
    Install, upgrade and remove the tables.

    \b
    Examples:
      jobyard db status
      jobyard db upgrade --print
    """


@command.command("upgrade")
@click.option("--print", "only_print", is_flag=True, help="Print the SQL instead of running it.")
@_user
@pass_session
def upgrade(session: Session, /, only_print: bool) -> None:
    """
    Bring the tables to this version of jobyard; a new database gets them.

    \b
    Examples:
      jobyard db upgrade
      jobyard db upgrade --print | less
    """
    yard = session.yard(may_be_new=True)
    if only_print:
        sql = migrate.pending_sql(yard.store.driver)
        output.line(sql.rstrip() or "-- nothing to do")
        return
    applied = yard.upgrade()
    done = f"applied {format.plural(len(applied), 'migration')}" if applied else "nothing to do"
    output.line(f"{yard.store.location}: {done}, version {migrate.status(yard.store.driver).current}")


@command.command("status")
@json_option
@pass_session
def status(session: Session, /, as_json: bool) -> None:
    """
    Show where the jobs lie and which version the tables have; 1 if it is not the one needed.

    \b
    Examples:
      jobyard db status --json
    """
    yard = session.yard(may_be_new=True)
    found = migrate.status(yard.store.driver)
    if as_json:
        output.print_json({"location": yard.store.location, **asdict(found), "up_to_date": found.up_to_date})
    else:
        there = yard.store.driver.is_there
        state = f"version {found.current}" if found.current else "not installed" if there else "no file yet"
        output.line(f"{yard.store.location}: {state}, {_verdict(found)}")
    if not found.up_to_date:
        raise click.exceptions.Exit(FAILED)


def _verdict(found: migrate.SchemaStatus) -> str:
    if found.up_to_date:
        return "up to date"
    if found.is_newer:
        return f"made by a newer jobyard; this one knows {found.needed}"
    return f"version {found.needed} is needed: run jobyard db upgrade"


@command.command("copy")
@click.option("--to", "to", metavar="URL", required=True, help="The empty store to copy into; it gets its tables.")
@_user
@pass_session
def copy_command(session: Session, /, to: str) -> None:
    """
    Copy every job, log line and event into another store; the workers must be stopped.

    \b
    Examples:
      jobyard --url sqlite:///jobyard.db db copy --to postgresql://user@host/database
    """
    yard, target = session.yard(), open_store(to)
    lost_after = yard.settings.lost_after

    def tell(table: str, count: int) -> None:
        output.line(f"{table}: {format.plural(count, 'row')}")

    try:
        counts = copy(yard.store, target, tell, lost_after=lost_after)
        output.line(f"{target.location}: {format.plural(sum(counts.values()), 'row')}, counted in both")
    finally:
        target.close()


@command.command("roles")
@click.option("--print", "only_print", is_flag=True, required=True, help="Print the SQL; nothing is run.")
@pass_session
def roles(session: Session, /, only_print: bool) -> None:
    """
    Show SQL for an owner, a worker, an enqueue-only and a read-only role of PostgreSQL.

    \b
    Examples:
      jobyard db roles --print | psql mydb
    """
    driver = session.yard(may_be_new=True).store.driver
    if driver.dialect != "postgres":
        msg = f"{driver.location}: a SQLite file has no roles; who may read and write it is for the file system to say"
        raise Failure(msg)
    output.line(migrate.roles_sql(driver).rstrip())


@command.command("uninstall")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_user
@pass_session
def uninstall(session: Session, /, yes: bool) -> None:
    """
    Drop the tables, and with them all jobs.

    \b
    Examples:
      jobyard db uninstall --yes
    """
    yard = session.yard()
    if not yes and not click.confirm(f"Drop all jobs in {yard.store.location}?", err=True):
        msg = "nothing was dropped"
        raise Failure(msg)
    yard.uninstall()
    output.line(f"{yard.store.location}: the tables are gone")
