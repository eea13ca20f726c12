"""What a task and a call may say, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobyard.errors import BadArguments, UsageError
from jobyard.model.job import Job
from jobyard.model.newjob import SUCCESS, JobOptions, accepted_bits
from jobyard.model.op import Op
from jobyard.model.retry import Retry
from jobyard.task import CallOptions, TaskOptions


def job(id: int) -> Job:
    return Job("default", id, [Op("t")])


def call(**options) -> CallOptions:
    return CallOptions().merged(options)


@pytest.mark.parametrize(
    ("option", "given", "kept"),
    [
        ("queue", "images", "images"),
        ("queue", "q" * 100, "q" * 100),
        ("queue", "Bücher", "Bücher"),
        ("priority", -20, -20),
        ("priority", 19, 19),
        ("retry", 1, Retry(1)),
        ("retry", 5, Retry(5)),
        ("retry", True, Retry(10)),
        ("retry", Retry(3, delay=1), Retry(3, delay=1)),
        ("timeout", 0.5, 0.5),
        ("timeout", "5m", 300.0),
        ("timeout", timedelta(hours=1), 3600.0),
        ("heartbeat_timeout", "90s", 90.0),
        ("isolation", "process", "process"),
        ("unique", True, True),
        ("unique", False, False),
        ("unique", "one", "one"),
        ("unique", len, len),
        ("title", "a\0b\udc80", "a\\x00b\\udc80"),
    ],
)
def test_task_and_call_take_the_same_values(option, given, kept):
    assert getattr(TaskOptions.checked({option: given}), option) == kept
    assert getattr(call(**{option: given}), option) == kept


BAD_FOR_BOTH = [
    ("queue", ""),
    ("queue", "q" * 101),
    ("queue", 3),
    ("queue", "a\nb"),
    ("queue", "a\0b"),
    ("queue", "a\udc80"),
    ("priority", -21),
    ("priority", 20),
    ("priority", True),
    ("priority", 1.0),
    ("priority", "1"),
    ("retry", 0),
    ("retry", -1),
    ("retry", False),
    ("retry", 2.0),
    ("retry", "3"),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", True),
    ("timeout", "soon"),
    ("timeout", float("nan")),
    ("heartbeat_timeout", "1w"),
    ("isolation", "thread"),
    ("isolation", True),
    ("memory_limit", 0),
    ("memory_limit", "lots"),
    ("unique", ""),
    ("unique", 7),
    ("title", 7),
]


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        *BAD_FOR_BOTH,
        ("name", ""),
        ("name", 1),
        ("log_prints", 1),
        ("aliases", "one"),
        ("aliases", ["ok", ""]),
        ("aliases", 5),
        ("user_errors", "ValueError"),
        ("user_errors", [ValueError, int]),
        ("user_errors", ValueError("x")),
        ("resources", "gpu"),
        ("resources", {"gpu": 0}),
        ("resources", {"gpu": True}),
        ("resources", 5),
        ("ack", "never"),
        ("every", 0),
        ("every", 1e-7),
        ("cron", "0 3 * *"),
        ("cron", 5),
        ("timezone", "Mars/Olympus"),
        ("timezone", ""),
        ("timezone", "../etc"),
        ("timezone", 3),
    ],
)
def test_a_bad_option_of_a_task_is_refused_by_name(option, bad):
    with pytest.raises(BadArguments, match=rf"\b{option}="):
        TaskOptions.checked({option: bad})


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        *BAD_FOR_BOTH,
        ("due", datetime(2030, 1, 1)),
        ("due", timedelta(seconds=-1)),
        ("due", timedelta.max),
        ("due", 5),
        ("due", "in 5 minutes"),
        ("after", "12"),
        ("after", 12),
        ("after", [0]),
        ("after", [True]),
        ("after", ["12"]),
        ("after", {1: set()}),
        ("after", {1: {"running"}}),
        ("after", {1: {"done"}}),
        ("after", {1: "failed"}),
        ("after", {1: None}),
        ("unique_for", "end"),
        ("unique_for", 0),
        ("requester", ""),
        ("requester", 1),
        ("token", ""),
        ("token", "x" * 1001),
        ("tags", "one"),
        ("tags", [1]),
        ("expires", -1),
        ("expires", "never"),
    ],
)
def test_a_bad_option_of_a_call_is_refused_by_name(option, bad):
    with pytest.raises(BadArguments, match=rf"\b{option}="):
        call(**{option: bad})


def test_an_option_that_does_not_exist_is_a_type_error():
    with pytest.raises(TypeError, match=r"'colour'.*queue"):
        TaskOptions.checked({"colour": "red"})
    with pytest.raises(TypeError, match="'ack'"):
        call(ack="sync")


def test_a_memory_limit_needs_a_process():
    with pytest.raises(UsageError, match="isolation='process'"):
        TaskOptions.checked({"memory_limit": "512M"})

    options = TaskOptions.checked({"memory_limit": "512M", "isolation": "process"})

    assert options.memory_limit == 512 * 2**20


def test_a_schedule_is_either_an_interval_or_a_cron_expression():
    with pytest.raises(UsageError, match=r"every=.*cron="):
        TaskOptions.checked({"every": "6h", "cron": "0 3 * * *"})
    with pytest.raises(UsageError, match="timezone="):
        TaskOptions.checked({"every": "6h", "timezone": "UTC"})

    options = TaskOptions.checked({"cron": "0 3 * * *", "timezone": "Europe/Berlin"})

    assert (options.cron, options.timezone) == ("0 3 * * *", "Europe/Berlin")
    assert TaskOptions.checked({"every": "6h"}).every == 6 * 3600


def test_lists_of_a_task_are_kept_as_tuples():
    options = TaskOptions.checked({"user_errors": [KeyError], "aliases": ["a", "b"], "resources": ["db"]})

    assert options.user_errors == (KeyError,)
    assert options.aliases == ("a", "b")
    assert options.resources == (("db", 1),)
    assert TaskOptions.checked({"user_errors": OSError}).user_errors == (OSError,)
    assert TaskOptions.checked({"resources": {"db": 2}}).resources == (("db", 2),)


def test_none_says_nothing():
    assert call(queue=None, timeout=None, after=None) == CallOptions()
    assert call(queue="a").merged({"queue": None}).queue == "a"
    assert TaskOptions.checked({"retry": None, "title": None}) == TaskOptions()


def test_later_options_of_a_call_go_over_earlier_ones():
    options = call(queue="a", priority=1).merged({"queue": "b"})

    assert (options.queue, options.priority) == ("b", 1)


def test_a_due_instant_is_stored_in_microseconds_whatever_its_zone():
    instant = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    job = call(due=instant).blank_job("q", None)

    assert job.due == int(datetime(2030, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert job.delay is None


def test_a_due_in_some_time_is_counted_from_the_moment_of_storing():
    job = call(due=timedelta(minutes=5, microseconds=1)).blank_job("q", None)

    assert (job.due, job.delay) == (None, 300_000_001)


def test_a_due_said_again_replaces_the_other_kind():
    job = call(due=timedelta(1)).merged({"due": datetime(1970, 1, 1, tzinfo=UTC)}).blank_job("q", None)

    assert (job.due, job.delay) == (0, None)


def test_a_list_of_jobs_is_waited_for_until_they_succeed():
    assert call(after=[job(7), 8, -1]).after == ((7, SUCCESS), (8, SUCCESS), (-1, SUCCESS))


def test_a_mapping_says_which_ends_are_waited_for():
    options = call(after={job(7): {"succeeded", "failed"}, -2: ["canceled"]})

    assert options.after == ((7, accepted_bits({"succeeded", "failed"})), (-2, accepted_bits({"canceled"})))


def test_a_job_without_a_word_has_the_defaults():
    job = call().blank_job("images", None)

    assert (job.queue, job.priority, job.due, job.delay, job.after) == ("images", None, None, None, [])
    assert (job.unique, job.unique_for, job.token, job.requester, job.expires) == (None, "finish", None, None, None)
    assert job.options is None


def test_only_what_the_call_says_and_a_title_is_stored_with_the_job():
    job = call(retry=3, tags=["a"], timeout="1m", expires="2s", unique_for="1m").blank_job("q", "Make thumbnails")

    assert job.options == JobOptions(title="Make thumbnails", tags=("a",), retry=Retry(3), timeout=60.0)
    assert (job.expires, job.unique_for) == (2_000_000, 60.0)
    assert call(title="mine").blank_job("q", "theirs").options == JobOptions(title="mine")
