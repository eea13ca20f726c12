"""What a URL may be, and what is told of one."""

from __future__ import annotations

import shlex
from contextlib import closing

import psycopg
import pytest
from tests import postgres
from tests.store.acts import new, put

from jobyard.errors import ConfigError, SchemaOutOfDate
from jobyard.store import open_store
from jobyard.store.locate import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
        ("postgresql://me@host:5432/db?schema=a&user=me@host", "postgresql://me@host:5432/db?schema=a&user=me@host"),
        ("postgresql://host:5432/db?user=me@host", "postgresql://host:5432/db?user=me@host"),
        ("postgresql://me:hush@host/db?schema=a", "postgresql://me:***@host/db?schema=a"),
        ("postgresql://me:hush@host/db?user=me@host", "postgresql://me:***@host/db?user=me@host"),
        ("postgresql://[::1]:5432/db?user=me@host", "postgresql://[::1]:5432/db?user=me@host"),
        ("postgresql://me:hu/sh?hush#hush@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hu@sh@host/db", "postgresql://me:***@host/db"),
        ("postgresql://:hush@host", "postgresql://:***@host"),
        (
            "postgresql://me:hush@host/db?password=hu@sh&x=1&sslpassword=hush",
            "postgresql://me:***@host/db?password=***&x=1&sslpassword=***",
        ),
    ],
)
def test_passwords_are_masked(url, shown):
    assert masked(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hu%zzsh@host/db",
        "postgresql://me:hush/hush@host/db",
        "postgresql://me:[hush@host/db",
        "postgresql://me:hush\u2100@host/db",
        "postgresql://me:hush@host/db?port=hush&prepare=never&password=hush",
        "sqlite://me:hush@host/db",
        "mysql://me:hush@host/db",
    ],
)
def test_an_error_has_no_password(url):
    with pytest.raises(ConfigError) as refused:
        open_store(url)

    assert "hush" not in str(refused.value).replace("port=hush", "")
    assert "me:***@host/db" in str(refused.value)


def test_a_password_may_have_an_at():
    with closing(open_store("postgresql://me:hu@sh@127.0.0.1:1/db")) as store:
        assert store.location == "postgresql://127.0.0.1:1/db?schema=jobyard"


def test_the_command_that_mends_has_the_url_quoted_and_without_the_password():
    with (
        postgres.schema(postgres.shared()) as url,
        closing(open_store(url.replace("postgres@", "postgres:hush@") + "&prepare=off")) as store,
        pytest.raises(SchemaOutOfDate) as refused,
    ):
        store.check()

    command = str(refused.value).partition("`")[2].rstrip("`")
    assert shlex.split(command)[1:3] == ["--url", url.replace("postgres@", "postgres:***@") + "&prepare=off"]


def test_the_words_of_a_server_are_no_schema():
    with psycopg.connect(postgres.shared()) as connection:
        words = connection.execute("select word from pg_get_keywords() where catcode in ('R', 'T')").fetchall()

    for (word,) in [*words, ("information_schema",), ("pg_catalog",), ("pg_mine",)]:
        with pytest.raises(ConfigError, match=f"schema='{word}' is taken by PostgreSQL itself: give another"):
            open_store(f"postgresql://host/db?schema={word}")


def test_words_that_sql_also_takes_for_names_are_a_schema():
    with closing(open_store(f"{postgres.shared()}?schema=values")) as store:
        try:
            store.upgrade()
            assert len(put(store, new(), new(unique="k"))) == 2
        finally:
            with psycopg.connect(postgres.shared(), autocommit=True) as connection:
                connection.execute('drop schema "values" cascade')
