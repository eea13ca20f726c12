"""A connection on which single statements take the short way."""

import psycopg
import pytest
from tests import postgres

from jobyard.store.postgres.line import Call, Line


@pytest.fixture
def server():
    return postgres.shared()


@pytest.fixture
def line(server):
    connection = Line.connect(server, autocommit=True)
    yield connection
    connection.close()


def test_numbers_and_text_come_back(line):
    call = Call("said", "select $1::int, $2::text, $3::text, 2::bigint", [7, 'a "quoted" ä\n', None])

    assert line.ask(call) == [(7, 'a "quoted" ä\n', None, 2)]
    assert line.ask(call._replace(values=[1, "", "x"])) == [(1, "", "x", 2)]


def test_a_statement_that_is_refused_leaves_the_connection_usable(line):
    with pytest.raises(psycopg.errors.DivisionByZero):
        line.ask(Call("div", "select 1 / $1::int", [0]))

    assert line.is_idle
    assert line.is_usable()
    assert line.execute("select 1").fetchall() == [(1,)]


def test_what_is_posted_is_done_and_its_errors_are_nobodys(line):
    line.execute("create temporary table seen (n int)")
    line.post(Call("note", "insert into seen values ($1::int)", [1]))
    assert line.is_idle
    assert line.is_usable()
    line.post(Call("div", "select 1 / $1::int", [0]))
    assert line.is_usable()

    assert line.execute("select n from seen").fetchall() == [(1,)]


def test_what_is_sent_along_runs_after_the_commit_of_the_first(line, server):
    first = Call("number", "select pg_current_xact_id()::text::bigint", [])
    other = Call("note", "select pg_notify('said', pg_xact_status($1::text::xid8))", [])

    [(number,)] = line.ask(first)
    with psycopg.connect(server, autocommit=True) as listener:
        listener.execute("listen said")
        line.ask(first, other._replace(values=[number]))
        [heard] = listener.notifies(timeout=10, stop_after=1)

    assert heard.payload == "committed"


def test_a_large_statement_goes_through(line):
    text = "x" * 20_000_000

    assert line.ask(Call("size", "select length($1::text)", [text])) == [(len(text),)]


def test_a_connection_that_ends_with_an_answer_to_come_is_not_used(line, server):
    line.post(Call("sleep", "select pg_sleep($1::int)", [100]))
    with psycopg.connect(server, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 10000)", [line.info.backend_pid])

    assert not line.is_usable()


def test_a_statement_that_the_server_has_forgotten_is_told_again(line):
    call = Call("said", "select $1::int", [1])
    along = Call("other", "select 2", [])
    line.ask(call, along)
    assert line.is_usable()
    line.execute("deallocate all")

    assert line.ask(call, along) == [(1,)]
    assert line.is_usable()
    line.execute("begin")
    line.execute("rollback")
    line.forget()
    line.post(along)
    assert line.is_usable()
