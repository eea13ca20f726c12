"""The statements themselves: they compile, read no more than they must, and are the same set in every dialect."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from tests.conftest import KINDS
from tests.store.acts import SECOND, new, put, row

import jobyard
from jobyard.errors import StoreError
from jobyard.model.ranking import rank
from jobyard.store import open_store
from jobyard.store.insert import Inserter
from jobyard.store.jobs import Finish
from jobyard.store.sql import migrations, noun_names, parameters, parts, statements

HOT = {
    "jobs": (
        "reserve insert insert_unique insert_plain insert_one unique_holder let_unique_go get get_many "
        "parents_for_update promote next_due claim claim_usual candidates any_ready finish give_back advance hold beat "
        "to_canceling change held_by expired ops insert_ops change_op add_attempts attempts "
        "add_token token results of_queue_after rerank prunable count_due ready_queues"
    ),
    "definitions": "get get_many lock publish record last_builds running",
    "dependencies": "add release release_and_claim refuse set_open parents",
    "workers": "add beat lost end get alive",
    "requests": "add open_for answer get last_stack add_answered",
    "log": "add newer_than stretch",
    "progress": "put of",
    "events": "add",
    "queues": "get put",
    "machines": "get lock add change beat jobs held offered offering start any_stale stale",
    "files": "put get",
}
BY_COLUMN = {("jobs", "finish"): {*Finish._fields}}
"""Batches that one dialect takes as one JSON text, `rows`, and another as an array for each column."""
SORTED_BY_ITS_INDEX = ["claim", "claim_usual", "candidates", "promote", "held_by", "of_queue_after", "prunable"]


@pytest.fixture
def sqlite(tmp_path):
    """A store in a file: how PostgreSQL plans is for other tests."""
    store = open_store(f"sqlite:///{tmp_path}/plans.db")
    yield store
    store.close()


def every(dialect):
    return [(noun, name) for noun in noun_names(dialect) for name in statements(dialect, noun).texts]


def hot():
    return [(noun, name) for noun, names in HOT.items() for name in names.split()]


def plan(store, statement):
    given = dict.fromkeys(parameters(statement))
    with store.read() as tx:
        return [detail for part in parts(statement) for *_, detail in tx.fetch(f"explain query plan {part}", given)]


SMALL = re.compile(
    r"SCAN (\(subquery-\d+\)|(r|given|ready|free|candidates|json_each|CONSTANT|sqlite_sequence)\b"
    r"|(jobs|j) USING .*INDEX jobs_(ready|held)\b)"
)
"""What may be read from end to end: what a statement makes up itself, the counter of ids, the unfinished alone."""


def scanned(details):
    return [detail for detail in details if detail.startswith("SCAN") and not SMALL.match(detail)]


@pytest.mark.parametrize(("noun", "name"), every("sqlite"))
def test_every_statement_compiles(sqlite, noun, name):
    statement = getattr(statements(sqlite.driver.dialect, noun), name)

    with sqlite.transaction() as tx:
        for part in parts(statement):
            tx.fetch(f"explain {part}", dict.fromkeys(parameters(statement)))


@pytest.mark.parametrize(("noun", "name"), hot())
def test_no_hot_statement_scans_a_table(sqlite, noun, name):
    assert scanned(plan(sqlite, getattr(statements("sqlite", noun), name))) == []


@pytest.mark.parametrize("name", SORTED_BY_ITS_INDEX)
def test_what_takes_the_first_rows_sorts_nothing(sqlite, name):
    assert "USE TEMP B-TREE" not in " ".join(plan(sqlite, getattr(statements("sqlite", "jobs"), name)))


@pytest.mark.parametrize("name", ["any_ready", "candidates"])
def test_looking_for_ready_jobs_reads_the_index_alone(sqlite, name):
    details = plan(sqlite, getattr(statements("sqlite", "jobs"), name))

    assert any("COVERING INDEX jobs_ready" in detail for detail in details)


def test_what_runs_of_definitions_is_found_among_what_is_held(sqlite):
    details = plan(sqlite, statements("sqlite", "definitions").running)

    assert any("jobs_held" in detail for detail in details)


def test_the_test_for_scans_can_fail(sqlite):
    assert scanned(plan(sqlite, "select * from jobs where requester = :r")) == ["SCAN jobs"]


def test_no_statement_is_without_use():
    code = "".join(path.read_text("utf-8") for path in Path(jobyard.__file__).with_name("store").rglob("*.py"))

    assert [f"{noun}.{name}" for noun, name in every("sqlite") if not re.search(rf'[."]{name}\b', code)] == []


def test_all_dialects_have_the_same_statements_with_the_same_parameters():
    def surface(dialect):
        texts = {each: getattr(statements(dialect, each[0]), each[1]) for each in every(dialect)}
        return {each: sorted(as_rows(each, parameters(text))) for each, text in texts.items()}

    def as_rows(each, names):
        columns = BY_COLUMN.get(each, set())
        return {*names} - columns | {"rows"} if columns and columns <= {*names} else names

    assert [surface(kind) for kind in KINDS] == [surface(KINDS[0])] * len(KINDS)


def test_all_dialects_have_the_same_migrations():
    found = [[(migration.number, migration.word) for migration in migrations(kind)] for kind in KINDS]

    assert found == [found[0]] * len(KINDS)
    assert [number for number, _ in found[0]] == list(range(1, len(found[0]) + 1))


def test_parameters_are_found_in_the_order_of_their_first_use():
    assert parameters("select :b, :a, :b, '$[0]', x::text, json_extract(r, '$.a') from t where c = :c_1") == [
        "b",
        "a",
        "c_1",
    ]


def test_what_does_not_fit_the_tables_is_no_fault_of_the_server(store):
    with pytest.raises(StoreError) as refused, store.transaction() as tx:
        tx.fetch("insert into main.queues (name, paused, drained) values (:name, 0, 0)", {"name": None})

    assert refused.type is StoreError


def test_an_unknown_statement_is_named():
    with pytest.raises(AttributeError, match=r"jobs\.sql has no statement 'nonsense'"):
        statements("sqlite", "jobs").nonsense  # noqa: B018


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"priority": -3},
        {"delay": 90 * SECOND},
        {"queue": "urgent"},
        {"queue": "urgent", "priority": 4},
        {"queue": "aging"},
        {"queue": "aging", "priority": -7, "delay": 5 * SECOND},
        {"requester": "ann", "args": '[["x"]]'},
    ],
    ids=str,
)
def test_the_statement_for_callers_stores_what_an_insert_stores(store, options):
    with store.transaction() as tx:
        store.queues.change(tx, "urgent", priority=-9)
        store.queues.change(tx, "aging", aging=7.5)
    [id] = put(store, new(**options))
    expected = row(store, id)
    job = new(**options)
    values = {"queue": job.queue, "task": "t", "priority": job.priority, "args": job.ops[0].args}
    values |= {"requester": job.requester, "options": None, "due": None, "delay": job.delay or 0}

    with store.transaction() as tx:
        tx.execute(statements(store.driver.dialect, "jobs").insert_statement, values)

    stored = row(store, id + 1)
    moved = stored.received_at - expected.received_at
    assert abs(stored.received_at - store.driver.now()) < 60 * SECOND
    aging = 7.5 if job.queue == "aging" else None
    assert stored.rank == rank(stored.priority, stored.due, aging=aging)
    fields = {"id": id + 1, "received_at": stored.received_at, "due": expected.due + moved, "rank": stored.rank}
    assert stored == msgspec.structs.replace(expected, **fields)


def test_the_statement_for_callers_stores_nothing_in_a_drained_queue(store):
    with store.transaction() as tx:
        store.queues.change(tx, "default", drained=True)
    values = {"queue": "default", "task": "t", "priority": None, "args": "[]", "requester": None, "options": None}

    with store.transaction() as tx:
        statement = statements(store.driver.dialect, "jobs").insert_statement
        assert tx.execute(statement, {**values, "due": None, "delay": 0}) == 0


def test_an_inserter_is_made_from_statements_alone(store):
    texts = [statements(store.driver.dialect, noun) for noun in ("jobs", "dependencies", "queues")]

    plan = Inserter(*texts).insert([new()], store.now())

    assert next(plan).statement == texts[0].reserve
