"""A connection on which single statements take the short way."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests import postgres
from tests.support import eventually

from jobyard.store.postgres.line import Call, Line


@pytest.fixture
def server():
    return postgres.shared()


@pytest.fixture
def line(server):
    line = Line(psycopg.connect(server, autocommit=True), prepares=True)
    yield line
    line.close()


def test_numbers_text_and_bytes_come_back(line):
    statement = "select $1::int, $2::text, $3::text, $4::bytea, $5::float8, $6::boolean, $7::bigint[]"
    values = [7, 'a "quoted" \\ ä\n', None, b"\0\xff\\", 0.1, True, [1, 2**62]]

    assert line.ask(Call(statement, values)) == [tuple(values)]
    assert line.ask(Call(statement, [None] * 7)) == [(None,) * 7]


def test_text_in_arrays_comes_back(line):
    words = ["", "null", "NULL", 'say "ä"', "back\\slash", "{,}", " ", "\n"]

    assert line.ask(Call("select $1::text[]", [words])) == [(words,)]


def test_statements_are_answered_in_their_order_when_they_are_waited_for(line):
    replies = [line.send(Call("select $1::int", [number])) for number in range(3)]
    created = line.send(Call("create temporary table seen as select 1 as n union all select 2"))
    changed = line.send(Call("update seen set n = n + 1"))
    assert replies[0].result is None
    line.wait()

    assert [line.rows(reply) for reply in replies] == [[(0,)], [(1,)], [(2,)]]
    assert line.rows(created) == []
    assert changed.count == 2


def test_a_statement_that_is_refused_takes_those_behind_it_along(line):
    line.send(Call("select 1 / $1::int", [0]))
    line.send(Call("select 'never'"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        line.wait()

    assert not line.in_transaction
    assert line.ask(Call("select 'never'")) == [("never",)]
    assert line.ask(Call("select 1 / $1::int", [1])) == [(1,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        line.ask(Call("select * from nowhere"))
    assert line.is_usable()


def test_rows_are_taken_as_they_come(line):
    taken = []
    before = line.send(Call("select 'before'"))
    streamed = line.send(Call("select n from generate_series(1, $1::int) as n", [1000]), taken.append)
    behind = line.send(Call("select 'behind'"))
    line.wait()

    assert [row for rows in taken for row in rows] == [(n,) for n in range(1, 1001)]
    assert len(taken) > 1
    assert line.rows(streamed) == []
    assert (line.rows(before), line.rows(behind)) == ([("before",)], [("behind",)])


def test_an_error_after_some_rows_is_told_and_the_line_goes_on(line):
    taken = []
    line.send(Call("select 1 / (500 - n) from generate_series(1, $1::int) as n", [1000]), taken.append)
    with pytest.raises(psycopg.errors.DivisionByZero):
        line.wait()

    assert line.ask(Call("select 1")) == [(1,)]


def test_what_is_refused_takes_a_stream_behind_it_along(line):
    taken = []
    line.send(Call("begin"))
    line.send(Call("select 1 / $1::int", [0]))
    line.send(Call("select n from generate_series(1, $1::int) as n", [1000]), taken.append)
    with pytest.raises(psycopg.errors.DivisionByZero):
        line.wait()
    line.ask(Call("rollback"))

    assert taken == []
    line.send(Call("select n from generate_series(1, $1::int) as n", [1000]), taken.append)
    line.wait()
    assert sum(map(len, taken)) == 1000


def test_a_taker_that_raises_ends_the_connection(line):
    """Nobody knows how much of the answer is still to come."""
    line.send(Call("select n from generate_series(1, $1::int) as n", [1000]), lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        line.wait()

    assert line.closed


def test_a_transaction_stays_open_until_it_is_ended(line):
    line.ask(Call("begin"))
    assert line.in_transaction
    with pytest.raises(psycopg.errors.DivisionByZero):
        line.ask(Call("select 1 / $1::int", [0]))
    assert line.in_transaction
    line.ask(Call("rollback"))

    assert not line.in_transaction


def test_what_is_posted_is_done_and_its_errors_are_nobodys(line):
    line.ask(Call("create temporary table seen (n int)"))
    line.post(Call("insert into seen values ($1::int)", [1]))
    assert not line.in_transaction
    line.post(Call("select 1 / $1::int", [0]))
    line.post(Call("insert into seen values ($1::int)", [2]))
    assert line.is_usable()

    assert line.ask(Call("select n from seen order by n"), Call("select 1")) == [(1,), (2,)]
    assert line.send(Call("select 2")).result is None
    line.wait()
    assert line.ask(Call("select 3")) == [(3,)]


def test_what_is_sent_along_runs_after_the_commit_of_the_first(line, server):
    first = Call("select set_config('said.number', pg_current_xact_id()::text, false)")
    then = "select pg_notify('said', pg_xact_status(current_setting('said.number')::xid8)) from pg_sleep(0)"
    with psycopg.connect(server, autocommit=True) as listener:
        listener.execute("listen said")
        line.ask(first, Call(then))
        [heard] = listener.notifies(timeout=10, stop_after=1)

    assert heard.payload == "committed"


def test_a_large_statement_goes_through(line):
    text = "x" * 20_000_000

    assert line.ask(Call("select length($1::text)", [text])) == [(len(text),)]


def test_many_statements_and_large_answers_go_through(line):
    replies = [line.send(Call("select repeat('x', $1::int)", [100_000])) for _ in range(200)]
    line.wait()

    assert {len(line.rows(reply)[0][0]) for reply in replies} == {100_000}


def test_without_prepared_statements_all_is_the_same(server):
    line = Line(psycopg.connect(server, autocommit=True), prepares=False)
    try:
        assert line.ask(Call("select $1::int, $2::text", [1, "a"]), Call("select 2")) == [(1, "a")]
        assert line.is_usable()
        assert line.ask(Call("select count(*)::int from pg_prepared_statements")) == [(0,)]
    finally:
        line.close()


def test_a_connection_that_ends_with_an_answer_to_come_is_not_used(line, server):
    line.post(Call("select pg_sleep($1::int)", [100]))
    with psycopg.connect(server, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 10000)", [line.connection.info.backend_pid])

    eventually(lambda: not line.is_usable())


def test_a_connection_that_was_just_answered_is_used_without_a_look(line, server):
    line.ask(Call("select 1"))
    with psycopg.connect(server, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 10000)", [line.connection.info.backend_pid])
    line._heard = time.monotonic()

    assert line.is_usable()
    with pytest.raises(psycopg.OperationalError):
        line.ask(Call("select 1"))
    assert not line.is_usable()


def test_an_answer_counts_once_it_is_committed(line, server):
    """The rows of an insert come before its commit, in which the connection may end."""
    with psycopg.connect(server, autocommit=True) as other:
        other.execute("create table slow (n int)")
        other.execute(
            "create function dawdle() returns trigger language plpgsql as "
            "'begin perform pg_sleep(100); return null; end'"
        )
        other.execute(
            "create constraint trigger late after insert on slow deferrable initially deferred for each row "
            "execute function dawdle()"
        )
        try:
            pid = line.connection.info.backend_pid
            reply = line.send(Call("insert into slow values ($1::int) returning n", [1]))
            with ThreadPoolExecutor() as threads:
                waiting = threads.submit(line.wait)
                sleeping = "select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"
                eventually(lambda: other.execute(sleeping, [pid]).fetchall())
                other.execute("select pg_terminate_backend(%s, 10000)", [pid])
                with pytest.raises(psycopg.OperationalError):
                    waiting.result(10)

            assert line.closed
            assert line.rows(reply) == [(1,)], "it was answered"
            assert other.execute("select * from slow").fetchall() == []
        finally:
            other.execute("drop table slow")
            other.execute("drop function dawdle")
