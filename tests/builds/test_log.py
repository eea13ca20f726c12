"""Log records of builds: stored, found again, and thinned out."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta

import pytest

from jobyard import BadArguments, ctx
from jobyard.builds import storage
from jobyard.store.invariants import check_invariants
from jobyard.testing import run_now

DAY = 86_400
LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


@pytest.fixture
def log(builds, clock):
    """Stores a record of a build, as old as is said."""

    def store(build, message="hello", level=logging.INFO, *, age=0.0, args=(), exc_info=None):
        record = logging.LogRecord("shop", level, "/srv/shop/jobs.py", 42, message, args, exc_info, "work")
        record.created = clock.now().timestamp() - age
        builds.log_message(build, record)
        return record

    return store


def messages(builds, **filters):
    return [line.message for line in builds.iter_log_messages(**filters)]


def test_a_message_has_the_names_of_logging_and_ours(builds, log, clock):
    build = builds.create_build("job")
    record = log(build, "sold %d to %s", logging.WARNING, args=(3, "ann"))

    [line] = builds.iter_log_messages(build)

    same = "name msg levelno levelname pathname filename module lineno funcName process threadName created"
    assert [getattr(line, name) for name in same.split()] == [getattr(record, name) for name in same.split()]
    assert (line.message, line.getMessage(), line.args) == ("sold 3 to ann", "sold 3 to ann", ("3", "'ann'"))
    assert (line.build_id, line.serial, line.op, line.at, line.level) == (build, 1, 0, clock.now(), 30)
    assert (line.exc_info, line.exception, line.thread, line.processName) == (None, None, None, None)
    assert (line.level_name, line.thread_name, line.relative_created) == ("WARNING", line.threadName, 0.0)


def test_a_message_can_be_given_to_a_formatter(builds, log):
    build = builds.create_build("job")
    try:
        raise ValueError("broken")
    except ValueError as error:
        record = log(build, "it %s", exc_info=(type(error), error, error.__traceback__), args=("failed",))
    formatter = logging.Formatter("%(created)f %(levelname)s %(name)s %(lineno)d %(message)s")

    [line] = builds.iter_log_messages(build)

    assert formatter.format(line) == formatter.format(record)
    assert line.exception_tb.endswith("ValueError: broken")


def test_arguments_by_name_stay_so(builds, log):
    build = builds.create_build("job")
    log(build, "%(n)d sold", args=({"n": 3},))

    [line] = builds.iter_log_messages(build)

    assert (line.message, line.args) == ("3 sold", {"n": "3"})


def test_they_are_the_log_of_the_job(yard, builds, log):
    build = builds.create_build("job")
    log(build, "one"), log(build, "two")

    assert [(entry.serial, entry.message) for entry in yard.job(build).get_log_entries()] == [(1, "one"), (2, "two")]


def test_what_a_worker_logs_is_among_them(yard, builds):
    @yard.task(name="job")
    def job():
        logging.getLogger("shop").warning("from %s", ctx.job.id)

    build = builds.create_build("job")
    yard.job(build).resume()
    run_now(yard)

    assert messages(builds, build_id=build) == [f"from {build}"]


def test_messages_of_all_builds_come_by_id_and_no_others(yard, builds, log):
    @yard.task(name="plain")
    def plain():
        logging.getLogger("shop").warning("of a plain job")

    plain.enqueue()
    run_now(yard)
    first, second = builds.create_build("a"), builds.create_build("b")
    log(second, "1", age=-5), log(first, "2", age=5), log(second, "3")

    assert messages(builds) == ["1", "2", "3"]
    assert [line.id for line in builds.iter_log_messages()] == sorted(line.id for line in builds.iter_log_messages())
    assert messages(builds, build_id=second) == ["1", "3"]


def test_dates_and_levels_are_limits(builds, log, clock):
    build = builds.create_build("job")
    for age, level in zip((30, 20, 10, 0), LEVELS, strict=False):
        log(build, str(age), level, age=age)

    def ago(seconds):
        return clock.now() - timedelta(seconds=seconds)

    assert messages(builds, min_date=ago(20)) == ["20", "10", "0"]
    assert messages(builds, max_date=ago(10)) == ["30", "20"]
    assert messages(builds, min_date=ago(20), max_date=ago(0)) == ["20", "10"]
    assert messages(builds, min_level=logging.WARNING) == ["10", "0"]
    assert messages(builds, build_id=build + 1) == []


def test_a_level_may_be_given_by_its_name_or_be_beyond_all(builds, log):
    build = builds.create_build("job")
    for level in LEVELS:
        log(build, logging.getLevelName(level), level)

    assert messages(builds, min_level="ERROR") == ["ERROR", "CRITICAL"]
    assert messages(builds, min_level=10**30) == []
    assert builds.prune_log_messages(level="WARNING") == 3
    assert builds.prune_log_messages(level=10**30) == 2


@pytest.mark.parametrize("level", ["LOUD", 2.5, True])
def test_a_level_that_is_none_is_refused(builds, level):
    with pytest.raises(BadArguments, match="min_level"):
        builds.iter_log_messages(min_level=level)
    with pytest.raises(BadArguments, match="level"):
        builds.prune_log_messages(level=level)


@pytest.mark.parametrize("name", [3, "a\0", "\ud800"])
def test_the_log_of_a_job_that_has_no_name_is_left_alone(builds, log, name):
    log(builds.create_build("job"))

    assert builds.prune_log_messages(job_id=name, max_age=0) == 0


def test_many_messages_come_in_batches(builds, log, monkeypatch):
    monkeypatch.setattr(storage, "_LINES", 2)
    build = builds.create_build("job")
    for number in range(5):
        log(build, str(number))

    assert messages(builds) == ["0", "1", "2", "3", "4"]
    assert builds.prune_log_messages(max_age=0) == 5


@pytest.mark.parametrize("name", ["min_date", "max_date"])
def test_a_date_without_a_zone_is_refused(builds, name):
    with pytest.raises(BadArguments, match=name):
        builds.iter_log_messages(**{name: datetime(2024, 1, 1)})


def test_what_is_no_record_is_refused(builds):
    with pytest.raises(BadArguments, match="LogRecord"):
        builds.log_message(builds.create_build("job"), "text")


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ({"msg": "bare"}, (0, "", "bare")),
        ({"msg": "%d", "args": ("many",), "name": "a", "levelno": 20}, (20, "a", "%d")),
        ({"msg": "%s %s", "args": (1,)}, (0, "", "%s %s")),
        ({"msg": "%d sold", "args": 3}, (0, "", "3 sold")),
        ({"msg": "high", "levelno": 10**30}, (2**31 - 1, "", "high")),
        ({"msg": "named", "levelno": "INFO"}, (0, "", "named")),
        ({"msg": ["no", "text"]}, (0, "", "['no', 'text']")),
    ],
)
def test_any_record_that_logging_makes_is_stored(builds, said, stored):
    build = builds.create_build("job")

    builds.log_message(build, logging.makeLogRecord(said))

    assert [(line.levelno, line.name, line.getMessage()) for line in builds.iter_log_messages(build)] == [stored]


@pytest.mark.parametrize(("created", "year"), [(1e300, 9999), (-1e12, 1), (float("nan"), 1)])
def test_a_record_of_no_time_is_one_of_the_end_of_the_calendar(builds, created, year):
    build = builds.create_build("job")

    builds.log_message(build, logging.makeLogRecord({"msg": "m", "created": created}))

    assert [line.at.year for line in builds.iter_log_messages(build)] == [year]


def test_a_message_that_raises_is_its_repr(builds):
    class Broken:
        def __str__(self):
            raise OSError

        def __repr__(self):
            return "<broken>"

    build = builds.create_build("job")
    builds.log_message(build, logging.makeLogRecord({"msg": Broken()}))

    assert messages(builds) == ["<broken>"]


def test_a_message_that_comes_back_may_be_stored_again_with_its_traceback(builds, log):
    build, other = builds.create_build("job"), builds.create_build("job")
    try:
        raise ValueError("broken")
    except ValueError:
        log(build, exc_info=sys.exc_info())
    [line] = builds.iter_log_messages(build)

    builds.log_message(other, line)

    [again] = builds.iter_log_messages(other)
    assert again.exc_text == line.exc_text != ""
    assert again.exc_text.endswith("ValueError: broken")


def test_a_traceback_and_a_stack_are_both_kept(builds):
    record = logging.makeLogRecord({"msg": "m", "exc_text": "Traceback: the error", "stack_info": "Stack: the place"})
    build = builds.create_build("job")

    builds.log_message(build, record)

    [line] = builds.iter_log_messages(build)
    assert line.exception_tb == "Traceback: the error\nStack: the place"


def test_conditions_of_a_prune_go_together(builds, log):
    one, two = builds.create_build("a"), builds.create_build("b")
    for build in (one, two):
        (
            log(build, f"{build} old", age=100),
            log(build, f"{build} new"),
            log(build, f"{build} bad", logging.ERROR, age=100),
        )

    assert builds.prune_log_messages(job_id="a", max_age=100) == 0
    assert builds.prune_log_messages(job_id="a", max_age=99, level=logging.INFO) == 1
    assert messages(builds) == ["1 new", "1 bad", "2 old", "2 new", "2 bad"]
    assert builds.prune_log_messages(build_id=two, level=logging.ERROR) == 3
    assert builds.prune_log_messages(job_id="a", build_id=two, max_age=0) == 0
    assert messages(builds) == ["1 new", "1 bad"]


def test_the_level_of_a_prune_is_in_it(builds, log):
    build = builds.create_build("job")
    for level in LEVELS:
        log(build, logging.getLevelName(level), level)

    builds.prune_log_messages(level=logging.WARNING)

    assert messages(builds) == ["ERROR", "CRITICAL"]


def test_without_a_condition_what_is_old_for_its_level_goes(builds, log):
    build = builds.create_build("job")
    limits = {logging.DEBUG: 15, logging.INFO: 30, logging.WARNING: 90, logging.ERROR: 180, logging.CRITICAL: 180}
    for level, days in limits.items():
        log(build, f"{level} old", level, age=days * DAY + 1), log(build, f"{level} young", level, age=days * DAY - 1)

    assert builds.prune_log_messages() == 5
    assert messages(builds) == [f"{level} young" for level in limits]


def test_all_goes_with_no_age_also_what_is_of_tomorrow(builds, log):
    log(builds.create_build("job"), age=-DAY)

    assert builds.prune_log_messages(max_age=0) == 1


def test_a_prune_leaves_the_logs_of_jobs_that_are_no_builds(yard, builds):
    @yard.task(name="plain")
    def plain():
        logging.getLogger("shop").warning("kept")

    job = plain.enqueue()
    run_now(yard)

    assert builds.prune_log_messages(max_age=0) == 0
    assert [entry.message for entry in job.get_log_entries()] == ["kept"]


@pytest.mark.parametrize("age", [-1, "soon", True])
def test_an_age_that_is_none_is_refused(builds, age):
    with pytest.raises(BadArguments, match="max_age"):
        builds.prune_log_messages(max_age=age)


def test_a_log_that_was_thinned_out_is_no_fault_and_goes_on(yard, builds, log):
    build = builds.create_build("job")
    log(build, "1"), log(build, "2", logging.ERROR)
    builds.prune_log_messages(level=logging.INFO)
    log(build, "3")

    assert [(line.serial, line.message) for line in builds.iter_log_messages()] == [(2, "2"), (3, "3")]
    assert check_invariants(yard.store, now=yard.store.now(), lost_after=30) == []


def test_what_looks_secret_is_hidden(builds, log):
    build = builds.create_build("job")
    log(build, "%(user)s", args=({"user": "ann", "password": "hunter2"},))

    [line] = builds.iter_log_messages(build)

    assert "hunter2" not in repr(vars(line))
    assert line.at == datetime(2026, 1, 1, tzinfo=UTC)
