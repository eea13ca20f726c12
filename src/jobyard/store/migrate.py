"""
The version of the schema: numbered migrations, each applied in one transaction together with the record of it.

Forward only. Two upgrades at once: one waits for the other and finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from jobyard.errors import JobyardError, SchemaOutOfDate, StoreError
from jobyard.store.driver import Driver, Transaction
from jobyard.store.locate import masked
from jobyard.store.sql import Migration, Statements, migrations, statements

__all__ = ["SchemaStatus", "check", "explain", "pending_sql", "roles_sql", "status", "uninstall", "upgrade"]


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which version the store has (0: no tables) and which this jobyard needs."""

    current: int
    needed: int

    @property
    def up_to_date(self) -> bool:
        return self.current == self.needed

    @property
    def is_newer(self) -> bool:
        return self.current > self.needed


def _sql(driver: Driver) -> Statements:
    return statements(driver.dialect, "schema")


def _current(tx: Transaction, sql: Statements) -> int:
    if not tx.fetch(sql.has_versions)[0][0]:
        return 0
    return max((version for (version,) in tx.fetch(sql.versions)), default=0)


def status(driver: Driver) -> SchemaStatus:
    """The versions, without changing or making anything."""
    needed = migrations(driver.dialect)[-1].number
    if not driver.is_there:
        return SchemaStatus(0, needed)
    with driver.read() as tx:
        return SchemaStatus(_current(tx, _sql(driver)), needed)


def check(driver: Driver, url: str) -> None:
    """Raise `SchemaOutOfDate`, with the command that mends it, unless the schema is the one needed."""
    found = status(driver)
    if found.current < found.needed:
        state = f"is of version {found.current}" if found.current else "is not installed"
        msg = (
            f"the schema of {driver.location} {state}, version {found.needed} is needed: "
            f"run `jobyard --url {quote(masked(url))} db upgrade`"
        )
        raise SchemaOutOfDate(msg)
    _check_not_newer(driver, found)


def explain(error: Exception, driver: Driver, url: str) -> None:
    """
    Raise `SchemaOutOfDate` if that is the reason of an error.

    The tables were right when they were first used. Since then somebody may have upgraded them, and statements and rows
    no longer are what this version knows.
    """
    if type(error) is StoreError or not isinstance(error, JobyardError):
        check(driver, url)


def _check_not_newer(driver: Driver, found: SchemaStatus) -> None:
    if found.is_newer:
        msg = (
            f"the schema of {driver.location} is of version {found.current}, made by a newer jobyard; this one knows "
            f"{found.needed}: install the newer jobyard here too"
        )
        raise SchemaOutOfDate(msg)


def upgrade(driver: Driver) -> list[int]:
    """
    Apply what is missing, one after another; returns the numbers of the migrations applied.

    Raises `SchemaOutOfDate` where a newer jobyard was before.
    """
    found = status(driver)
    _check_not_newer(driver, found)
    if found.current == 0:
        return _install(driver)
    applied = []
    for migration in migrations(driver.dialect):
        with driver.transaction() as tx:
            applied += _apply(driver, tx, [migration])
    return applied


def _install(driver: Driver) -> list[int]:
    """Apply them in one transaction: nobody ever sees a new store with some of its tables."""
    with driver.transaction() as tx:
        return _apply(driver, tx, migrations(driver.dialect))


def _apply(driver: Driver, tx: Transaction, wanted: Iterable[Migration]) -> list[int]:
    """Apply those that are missing, and return their numbers."""
    sql = _sql(driver)
    for statement in _opening(sql):
        tx.ask(statement)  # not waited for: a server takes the whole script at once
    current = _current(tx, sql)
    missing = [migration for migration in wanted if migration.number > current]
    for migration in missing:
        for statement in migration.statements:
            tx.ask(statement)  # not waited for: a server takes the whole script at once
        values = {"version": migration.number, "word": migration.word, "applied_at": driver.now()}
        tx.execute(sql.add_version, values)
    return [migration.number for migration in missing]


def pending_sql(driver: Driver) -> str:
    """What `upgrade` would run, for those who run it with a tool of their own. Raises as it does."""
    found = status(driver)
    _check_not_newer(driver, found)
    missing = [m for m in migrations(driver.dialect) if m.number > found.current]
    return "\n".join(_script(driver, migration) for migration in missing)


def _script(driver: Driver, migration: Migration) -> str:
    record = (
        f"insert into main.schema_version (version, word, applied_at) "  # noqa: S608 - numbers and words of ours
        f"values ({migration.number}, '{migration.word}', {driver.now()})"
    )
    body = driver.qualified(";\n\n".join([*_opening(_sql(driver)), *migration.statements, record]))
    return f"-- migration {migration.number:04d}_{migration.word}\nbegin;\n{body};\ncommit;\n"


def _opening(sql: Statements) -> list[str]:
    """What comes before each migration."""
    return [sql.lock, sql.create_schema, sql.create_versions]


def roles_sql(driver: Driver) -> str:
    """SQL for roles of least privilege on PostgreSQL."""
    from jobyard.store.postgres.roles import roles_sql  # here: psycopg is an extra

    return roles_sql(driver.schema)


def uninstall(driver: Driver) -> None:
    """Drop every table of jobyard, and with them all jobs."""
    sql = _sql(driver)
    with driver.transaction() as tx:
        for (table,) in tx.fetch(sql.tables):
            if table in _TABLES:
                tx.execute(f"drop table main.{table}")


_TABLES = frozenset(
    {
        "schema_version",
        "jobs",
        "ops",
        "dependencies",
        "attempts",
        "tokens",
        "requests",
        "queues",
        "workers",
        "events",
        "log",
        "progress",
        "definitions",
        "definition_dependencies",
        "builds",
        "machines",
        "files",
        "idle",
    }
)
