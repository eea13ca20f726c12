"""Jobs that no store knows: Ganeti's queued job, with our statuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobyard import (
    BadArguments,
    InvalidTransition,
    Job,
    JobFailed,
    LogEntry,
    NotFinished,
    Op,
    RemoteError,
    Status,
    UnknownField,
    Yard,
)
from jobyard.model.faults import fault
from jobyard.model.states import FINAL, calc_status

AT = datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)


def job(*statuses, queue="default", id=7, priority=0):
    return Job(queue, id, [Op("t", [n], status=status, priority=priority) for n, status in enumerate(statuses)])


def entry(serial, op=0, message="hello"):
    return LogEntry(serial, op, AT, 20, "shop", message)


def test_a_new_job_is_queued_and_received_now():
    before = datetime.now(UTC)
    made = Job("images", 7, [Op("a"), Op("b")])

    assert before <= made.received_at <= datetime.now(UTC)
    assert (made.id, made.queue, made.status, made.priority, made.attempt) == (7, "images", "queued", 0, 0)
    assert [(op.index, op.task, op.status, op.result) for op in made.ops] == [
        (0, "a", "queued", None),
        (1, "b", "queued", None),
    ]
    assert (made.started_at, made.ended_at, made.yard, made.existing) == (None, None, None, False)
    assert (made.worker, made.machine, made.heartbeat, made.requester, made.error) == (None,) * 5
    assert (made.progress, made.attempts, made.log_serial, made.tags) == ([], [], 0, ())


def test_no_op_is_refused():
    with pytest.raises(BadArguments, match="at least one op"):
        Job("default", 1, [])


def test_the_ops_of_a_task_are_taken(tmp_path):
    add = Yard(f"sqlite:///{tmp_path}/unused.db").task(name="add")(lambda a, b: a + b)

    assert Job("default", 1, [add.op(1, b=2)]).ops[0].kwargs == {"b": 2}
    assert not (tmp_path / "unused.db").exists()


def test_its_repr_shows_id_status_and_tasks():
    assert repr(Job("default", 7, [Op("a"), Op("b")])) == "<Job 7 queued a, b>"
    assert repr(Op("a", ["x" * 100], {"k": 1})).startswith("<Op a('xxx")
    assert len(repr(Op("a", ["x" * 1000]))) < 120


@pytest.mark.parametrize(
    "statuses", [("succeeded", "running", "queued"), ("succeeded", "queued"), ("failed", "failed")]
)
def test_the_status_follows_from_the_ops(statuses):
    made = job(*statuses)

    assert made.status == made.calc_status() == calc_status(map(Status, statuses))


def test_the_priority_is_the_most_urgent_of_the_unfinished_ops():
    made = Job(
        "default",
        1,
        [
            Op("a", priority=-10, status="succeeded"),
            Op("b", priority=3, status="running"),
            Op("c", priority=-2),
            Op("d", priority=9),
        ],
    )

    assert made.calc_priority() == made.priority == -2
    made.mark_unfinished_ops("failed")
    assert made.calc_priority() == made.priority == 0


def test_log_entries_newer_than_a_serial():
    made = Job("default", 1, [Op("a", log=[entry(1), entry(2)]), Op("b", log=[entry(3, op=1)])])

    assert [e.serial for e in made.get_log_entries()] == [1, 2, 3]
    assert [e.serial for e in made.get_log_entries(0)] == [1, 2, 3]
    assert [e.serial for e in made.get_log_entries(newer_than=2)] == [3]
    assert made.get_log_entries(99) == []
    assert made.log_serial == 3


def test_info_has_a_value_for_each_field_in_the_order_asked_for():
    made = Job("default", 7, [Op("a", [1], {"k": 2}, status="succeeded", result="x"), Op("b")])

    assert made.get_info([]) == []
    assert made.get_info(["opstatus", "id", "status", "id"]) == [["succeeded", "queued"], 7, "queued", 7]
    assert made.get_info(["ops"]) == [
        [{"task": "a", "args": [1], "kwargs": {"k": 2}}, {"task": "b", "args": [], "kwargs": {}}]
    ]
    assert made.get_info(["opresult", "opstart", "opexec", "opend", "oppriority", "oplog"]) == [
        ["x", None],
        *[[None, None]] * 3,
        [0, 0],
        [[], []],
    ]
    assert made.get_info(["received_ts", "start_ts", "end_ts"]) == [made.received_at, None, None]
    assert made.get_info(["summary", "archived"]) == [["a(1, k=2)", "b()"], False]


def test_every_attribute_of_a_job_is_a_field():
    ours = (
        "id status priority queue title ops attempt attempts due requester definition received_at started_at ended_at "
        "worker machine heartbeat logtail log_serial progress result error existing"
    )

    assert len(job("queued").get_info(ours.split())) == 23


def test_an_unknown_field_is_named_before_anything_is_read():
    with pytest.raises(UnknownField, match=r"'colour'"):
        job("queued").get_info(["id", "colour", "size"])
    with pytest.raises(UnknownField, match="did you mean 'opstatus'"):
        job("queued").get_info(["opstatuss"])


@pytest.mark.parametrize("status", list(Status))
def test_marking_touches_unfinished_ops_alone(status):
    made = Job("default", 1, [Op("a", status="succeeded", result=1), Op("b", status="running"), Op("c")])

    made.mark_unfinished_ops(status, "why")

    assert [(op.status, op.result) for op in made.ops] == [("succeeded", 1), (status, "why"), (status, "why")]
    assert made.ended_at is None


def test_a_status_that_does_not_exist_is_refused():
    with pytest.raises(BadArguments, match="'done'"):
        job("queued").mark_unfinished_ops("done")


def test_finalize_sets_the_end_once():
    made = job("succeeded", "succeeded")
    made.finalize()
    at = made.ended_at
    made.finalize()

    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert made.ended_at == at


def test_finalize_with_an_unfinished_op_is_refused():
    with pytest.raises(InvalidTransition, match="op 1"):
        job("succeeded", "queued").finalize()


@pytest.mark.parametrize("status", ["queued", "scheduled", "waiting", "suspended"])
def test_cancel_at_once(status):
    made = Job("default", 1, [Op("a", status="succeeded", result=1), Op("b", status=status), Op("c")])

    done, text = made.cancel()

    assert (done, "1" in text, made.status) == (True, True, "canceled")
    assert [op.status for op in made.ops] == ["succeeded", "canceled", "canceled"]
    assert made.ops[0].result == 1
    assert made.ended_at is not None


def test_cancel_while_running():
    made = job("succeeded", "running", "queued")

    assert made.cancel()[0] is True
    assert (made.status, made.ended_at) == ("canceling", None)
    assert [op.status for op in made.ops] == ["succeeded", "canceling", "canceling"]
    assert made.cancel() == (False, "already canceling")


@pytest.mark.parametrize("status", sorted(FINAL))
def test_cancel_of_an_ended_job_changes_nothing(status):
    made = job(status)

    assert made.cancel() == (False, f"job 7 is already {status}")
    assert made.status == status


@pytest.mark.parametrize(
    ("statuses", "changed"),
    [
        (("queued", "queued"), [-5, -5]),
        (("waiting", "queued"), [-5, -5]),
        (("succeeded", "running", "queued"), [0, 0, -5]),
        (("succeeded", "queued"), [0, -5]),
        (("running",), [0]),
        (("succeeded", "running"), [0, 0]),
        (("canceling", "canceling"), [0, 0]),
        (("failed", "failed"), [0, 0]),
        (("succeeded",), [0]),
    ],
)
def test_change_priority_is_for_ops_that_have_not_begun(statuses, changed):
    made = job(*statuses)

    done, text = made.change_priority(-5)

    assert [op.priority for op in made.ops] == changed
    assert (done, bool(text)) == (-5 in changed, True)


@pytest.mark.parametrize("priority", [-21, 20, "1", 1.0, None, True])
def test_a_priority_out_of_range_is_refused(priority):
    with pytest.raises(BadArguments, match="priority="):
        job("queued").change_priority(priority)


def test_the_result_is_that_of_the_last_op():
    made = Job("default", 1, [Op("a", status="succeeded", result=1), Op("b", status="succeeded", result=2)])

    assert made.result == 2
    with pytest.raises(NotFinished):
        _ = job("succeeded", "running").result
    with pytest.raises(JobFailed):
        _ = job("succeeded", "failed").result


def test_two_jobs_alone_are_equal_only_if_they_are_one():
    made = job("queued")

    assert made == made
    assert made != job("queued")
    assert made != 7
    assert len({made, made}) == 1


def test_the_state_has_what_does_not_follow_from_the_rest():
    state = Job("images", 7, [Op("a", [1], log=[entry(1)])]).serialize()

    assert set(state).isdisjoint({"status", "priority", "existing", "yard", "log_serial"})
    [op] = state["ops"]
    assert set(op) == {
        *("index", "task", "args", "kwargs", "status", "result", "error"),
        *("priority", "log", "started_at", "exec_at", "ended_at"),
    }
    assert op["log"][0]["message"] == "hello"


def test_a_restored_job_has_everything_of_the_one_before():
    error = RemoteError.from_json(broken())
    made = Job(
        "images",
        7,
        [
            Op("a", [1, (2,)], {"k": {3}}, status="succeeded", result=b"x", priority=-3, log=[entry(1), entry(4)]),
            Op("b", status="failed", error=error, started_at=AT, exec_at=AT, ended_at=AT + timedelta(microseconds=1)),
        ],
    )
    made.finalize()

    again = Job.restore(json.loads(json.dumps(made.serialize())))

    fields = ["id", "queue", "status", "priority", "log_serial", "received_at", "ended_at", "ops", "opresult", "oplog"]
    fields += ["opstart", "opexec", "opend", "oppriority", "opstatus"]
    assert again.get_info(fields) == made.get_info(fields)
    assert str(again.ops[1].error) == str(error)
    assert again.yard is None


def broken():
    return fault(ValueError("broken"))


def test_what_is_missing_gets_its_default():
    made = Job.restore({"id": 7, "ops": [{"task": "a", "status": "queued", "args": [], "log": []}]})

    assert (made.id, made.queue, made.status, made.priority, made.log_serial) == (7, "default", "queued", 0, 0)
    assert (made.due, made.received_at, made.started_at, made.ended_at) == (None, None, None, None)
    [op] = made.ops
    assert (op.priority, op.result, op.started_at, op.exec_at, op.ended_at) == (0, None, None, None, None)


def test_the_log_serial_is_the_highest_of_all():
    state = Job("default", 1, [Op("a", log=[entry(5)]), Op("b", log=[entry(3, op=1)])]).serialize()

    assert Job.restore(state).log_serial == 5


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"ops": []}, "id"),
        ({"id": 1}, "ops"),
        ({"id": 1, "ops": [{"task": "a"}]}, "status"),
        ({"id": 1, "ops": [{"status": "queued"}]}, "task"),
        ({"id": 1, "ops": [{"task": "a", "status": "done"}]}, "done"),
    ],
)
def test_a_state_that_is_none_is_refused(state, named):
    with pytest.raises(BadArguments, match=named):
        Job.restore(state)


def test_no_op_at_all_can_only_be_restored_and_has_succeeded():
    assert Job.restore({"id": 1, "ops": []}).calc_status() == "succeeded"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner),
    max_leaves=6,
)
TIMES = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
ENTRIES = st.lists(
    st.builds(LogEntry, st.integers(1, 99), st.just(0), TIMES.filter(bool), st.integers(0, 50), st.text(), st.text())
)
OPS = st.builds(
    Op,
    st.text(min_size=1),
    st.lists(VALUES, max_size=2),
    st.dictionaries(st.text(), VALUES, max_size=2),
    status=st.sampled_from(Status),
    priority=st.integers(-20, 19),
    result=VALUES,
    log=ENTRIES,
    started_at=TIMES,
    exec_at=TIMES,
    ended_at=TIMES,
)


@given(st.lists(OPS, min_size=1, max_size=3), st.integers(1, 2**62))
def test_serializing_what_was_restored_gives_the_same(ops, id):
    state = Job("default", id, ops).serialize()

    again = Job.restore(json.loads(json.dumps(state)))

    assert again.serialize() == state
    assert again.status == calc_status(op.status for op in ops)
    assert [op.result for op in again.ops] == [op.result for op in ops]
