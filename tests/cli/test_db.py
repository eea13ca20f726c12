"""``jobyard db``: the tables, their roles, and the way to another store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests import postgres
from tests.cli.support import Jobyard

from jobyard.store import open_store


@pytest.fixture
def other(other_url: str) -> Jobyard:
    """The command line where a second store of each kind can be made."""
    return Jobyard(other_url)


@pytest.fixture
def on_file(tmp_path: Path) -> Jobyard:
    """The command line on a SQLite file that is not there yet."""
    return Jobyard(f"sqlite:///{tmp_path}/jobyard.db")


@pytest.fixture
def in_postgres() -> Iterator[Jobyard]:
    """The command line where a schema can be made."""
    with postgres.schema(postgres.shared()) as url:
        yield Jobyard(url)


def location(jobyard: Jobyard) -> str:
    with closing(open_store(jobyard.url)) as store:
        return store.location


def run_sql(jobyard: Jobyard, script: str) -> None:
    """As sqlite3 and psql would."""
    if jobyard.url.startswith("sqlite:"):
        with closing(sqlite3.connect(jobyard.url.removeprefix("sqlite:///"))) as file:
            file.executescript(script)
    else:
        with psycopg.connect(jobyard.url.partition("?")[0], autocommit=True) as server:
            server.execute(script)


def test_the_database_tells_its_version(bare):
    before = bare.data("db", "status")
    told = bare("db", "status")

    upgraded, again = bare.done("db", "upgrade"), bare.done("db", "upgrade")

    place, needed = location(bare), before["needed"]
    assert before == {"location": place, "current": 0, "needed": needed, "up_to_date": False}
    assert told.exit_code == 1
    assert told.stdout.endswith(f"version {needed} is needed: run jobyard db upgrade\n")
    assert upgraded == f"{place}: applied {needed} migrations, version {needed}\n"
    assert again == f"{place}: nothing to do, version {needed}\n"
    assert bare.data("db", "status") == {**before, "current": needed, "up_to_date": True}
    assert bare.done("db", "status") == f"{place}: version {needed}, up to date\n"


def test_tables_of_a_newer_version_are_left_to_it(jobyard):
    schema = "" if jobyard.url.startswith("sqlite:") else jobyard.url.rpartition("schema=")[2] + "."
    run_sql(jobyard, f"insert into {schema}schema_version (version, word, applied_at) values (99, 'later', 0)")

    told = jobyard("db", "status")
    refused = [jobyard("db", "upgrade"), jobyard("db", "upgrade", "--print")]

    assert told.exit_code == 1
    assert ": version 99, made by a newer jobyard; this one knows " in told.stdout
    for each in refused:
        assert each.exit_code == 1
        assert "install the newer jobyard here too" in each.stderr


def test_the_upgrade_is_printed_for_other_tools(bare):
    script = bare.done("db", "upgrade", "--print")
    before = bare.data("db", "status")["current"]

    run_sql(bare, script)

    assert before == 0
    assert bare.done("db", "status").endswith("up to date\n")
    assert bare.done("db", "upgrade", "--print") == "-- nothing to do\n"


def test_the_tables_are_dropped_only_when_that_is_meant(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    refused = jobyard("db", "uninstall", input="n\n")

    assert refused.exit_code == 1
    assert "nothing was dropped" in refused.stderr
    assert len(jobyard.data("job", "list")) == 1
    assert jobyard("db", "uninstall", input="y\n").exit_code == 0
    assert jobyard.data("db", "status")["current"] == 0


def test_the_roles_that_are_printed_can_be_made(in_postgres):
    in_postgres.done("db", "upgrade")
    schema = in_postgres.url.rpartition("schema=")[2]

    run_sql(in_postgres, in_postgres.done("db", "roles", "--print"))

    with psycopg.connect(in_postgres.url.partition("?")[0], autocommit=True) as server:
        made = server.execute("select rolname from pg_roles where starts_with(rolname, %s)", [schema]).fetchall()
        rights = server.execute(
            "select has_table_privilege(%s, %s, 'select'), has_table_privilege(%s, %s, 'insert')",
            [f"{schema}_read", f"{schema}.jobs"] * 2,
        ).fetchone()
        for (role,) in made:
            server.execute(f"drop owned by {role} cascade")
            server.execute(f"drop role {role}")
    assert {role for (role,) in made} == {f"{schema}_{name}" for name in ("owner", "worker", "enqueue", "read")}
    assert rights == (True, False)


def test_roles_are_printed_only_and_of_a_server_only(on_file):
    assert on_file("db", "roles").exit_code == 2
    refused = on_file("db", "roles", "--print")
    assert refused.exit_code == 1
    assert "a SQLite file has no roles" in refused.stderr


DEFINITIONS = """
definitions:
  - {name: extract, task: add, args: [1, 2]}
  - {name: report, task: add, args: [!retval extract, 10], dependencies: [extract]}
"""


@pytest.fixture
def filled(jobyard: Jobyard, tmp_path: Path) -> Jobyard:
    """A store with finished and unfinished jobs, builds, log lines, progress, events and a paused queue."""
    (tmp_path / "jobs.yaml").write_text(DEFINITIONS)
    jobyard.done("definition", "load", "jobs.yaml", app=True)
    jobyard.done("definition", "build", "report", "--deps")
    jobyard.enqueue("report", "--arg", "3")
    jobyard.enqueue("broken", "--arg", '"hunter2"')
    jobyard.work()
    jobyard.enqueue("add", "--arg", "1", "--due", "1h", "--token", "t", "--tag", "x")
    jobyard.done("queue", "pause", "images")
    return jobyard


def everything(jobyard: Jobyard) -> dict[str, object]:
    """All that the command line tells of a store."""
    jobs = jobyard.data("job", "list", "--limit", "0")
    return {
        "jobs": [{**jobyard.data("job", "show", str(job["id"])), "why": "as of now"} for job in jobs],
        "events": jobyard.data("event", "list", "--limit", "0"),
        "definitions": jobyard.data("definition", "list"),
        "dump": jobyard.done("definition", "dump"),
        "queues": jobyard.data("queue", "list"),
    }


def test_a_copy_has_all_that_the_store_had(filled, other):
    told = filled.done("db", "copy", "--to", other.url)

    before, after = everything(filled), everything(other)
    counts = dict(line.split(": ") for line in told.splitlines()[:-1])
    lines = sum(len(job["log"]) for job in before["jobs"])
    assert after == before
    assert len(before["jobs"]) == 5
    assert {table: counts[table] for table in ("jobs", "log", "events", "definitions", "builds", "queues")} == {
        "jobs": "5 rows",
        "log": f"{lines} rows",
        "events": f"{len(before['events'])} rows",
        "definitions": "2 rows",
        "builds": "2 rows",
        "queues": "1 row",
    }
    total = sum(int(count.split()[0]) for count in counts.values())
    assert told.splitlines()[-1] == f"{location(other)}: {total} rows, counted in both"
    assert other.done("doctor").endswith("all is well\n")


def test_a_copy_goes_on_where_the_store_was(filled, other):
    filled.done("db", "copy", "--to", other.url)

    assert other.enqueue("add", "--arg", "1", "--token", "t") == 5
    new = other.enqueue("add", "--arg", "1")
    other.work()
    assert new > 5
    assert other.data("job", "show", str(new))["result"] == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("enqueue", "add", "--arg", "1"), "1 job"),
        (("queue", "pause", "images"), "1 queue"),
        (("machine", "online", "m1"), "1 event"),
    ],
)
def test_a_copy_into_a_store_that_is_not_empty_is_refused(filled, other, words, found):
    other.done("db", "upgrade")
    other.done(*words, app=True)
    before = everything(other)

    refused = filled("db", "copy", "--to", other.url)

    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"jobyard: {location(other)} is not empty, it has {found}")
    assert everything(other) == before


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("mysql://host/db", 2, "give sqlite:///file.db"),
        ("sqlite:///", 2, "give the path of a file"),
        ("sqlite:////nowhere/at/all/jobyard.db", 1, "/nowhere/at/all"),
        ("postgresql://postgres@127.0.0.1:1/postgres", 1, "127.0.0.1"),
        ("postgresql://postgres@127.0.0.1:1/postgres?schema=Bad-Name", 2, "schema='Bad-Name' is no name"),
        ("postgresql://postgres@127.0.0.1:1/postgres?shcema=a", 2, 'invalid URI query parameter: "shcema"'),
        ("postgresql:/postgres", 2, "or postgresql://user@host/database"),
    ],
)
def test_a_copy_to_where_no_store_can_be_is_one_line(jobyard, url, code, said):
    refused = jobyard("db", "copy", "--to", url)

    assert refused.exit_code == code
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("wrong", ["?schema=Bad-Name&", "?notify=never&", "?shcema=a&"])
def test_what_is_said_of_a_wrong_url_has_no_password(bare, wrong):
    refused = bare("--url", f"postgresql://me:hush1@host/database{wrong}password=hush2", "db", "status")

    assert refused.exit_code == 2
    assert "host/database" in refused.stderr
    assert "hush" not in refused.stderr


def test_a_url_may_name_a_socket_in_place_of_a_host(tmp_path):
    refused = Jobyard(f"postgresql:///postgres?host={tmp_path}")("db", "status")

    assert refused.exit_code == 1
    assert f"{tmp_path}/.s.PGSQL.5432" in refused.stderr


def test_a_store_is_not_copied_into_itself(filled):
    before = everything(filled)

    refused = filled("db", "copy", "--to", filled.url)

    assert refused.exit_code == 1
    assert everything(filled) == before
