"""``jobyard enqueue`` and ``jobyard task``."""

from __future__ import annotations

import pytest

from jobyard import Yard


def test_the_id_is_all_that_is_printed(jobyard):
    assert jobyard.done("enqueue", "add", "--arg", "1", app=True) == "1\n"


def test_arguments_are_made_by_the_annotations(jobyard):
    jobyard.enqueue("day", "--kwarg", 'when="2026-01-02"')
    jobyard.work()

    assert jobyard.data("job", "show", "1")["result"] == "2026-01-02"


def test_an_unannotated_argument_is_what_the_json_says(jobyard):
    jobyard.enqueue("free", "--arg", '{"a": [1, 2.5, null, true]}')
    jobyard.work()

    assert jobyard.data("job", "show", "1")["result"] == {"a": [1, 2.5, None, True]}


def test_every_option_reaches_the_job(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    job = jobyard.data(
        *("enqueue", "add", "--arg", "1", "--queue", "images", "--priority", "-5", "--due", "2999-01-01T00:00+00:00"),
        *("--after", "1:succeeded,failed", "--title", "T", "--requester", "ann", "--tag", "a", "--tag", "b"),
        app=True,
    )

    assert job["queue"] == "images"
    assert job["priority"] == -5
    assert job["due"] == "2999-01-01T00:00:00+00:00"
    assert job["status"] == "waiting"
    assert (job["title"], job["requester"], job["tags"]) == ("T", "ann", ["a", "b"])


@pytest.mark.parametrize("unique", [["--unique"], ["--unique", "key"], ["--token", "t"]])
def test_a_job_that_exists_is_given_instead(jobyard, unique):
    jobyard("enqueue", "add", "--arg", "1", *unique, app=True)

    result = jobyard("enqueue", "add", "--arg", "1", *unique, app=True)

    assert result.stdout == "1\n"
    assert result.stderr == "job 1 existed already: it is queued\n"


def test_the_user_is_the_requester_unless_another_is_named(jobyard):
    for options in (["--user", "ann"], ["--user", "ann", "--requester", "bob"], []):
        jobyard.enqueue("add", "--arg", "1", *options)

    assert [job["requester"] for job in jobyard.data("job", "list")] == [None, "bob", "ann"]


def test_waiting_has_an_end_here_too(jobyard):
    result = jobyard("enqueue", "add", "--arg", "1", "--wait", "--timeout", "0.05", app=True)

    assert result.exit_code == 1
    assert result.stderr == "jobyard: not ended after 0.05s: job 1; it goes on\n"


def test_waiting_prints_the_result_of_a_job_that_is_there(jobyard):
    jobyard.enqueue("add", "--arg", "1", "--token", "t")
    jobyard.work()

    result = jobyard("enqueue", "add", "--arg", "1", "--token", "t", "--wait", app=True)

    assert (result.exit_code, result.stdout) == (0, "2\n")


def test_waiting_for_a_failure_fails_with_its_traceback(jobyard):
    jobyard.enqueue("broken", "--arg", '"x"', "--token", "t")
    jobyard.work()

    result = jobyard("enqueue", "broken", "--arg", '"x"', "--token", "t", "--wait", app=True)

    assert result.exit_code == 1
    assert "LookupError: {'answer': 42}" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nothing"], "no task 'nothing' is registered here"),
        (["ad", "--arg", "1"], "did you mean 'add'?"),
        (["add"], "parameter 'a' is missing"),
        (["add", "--arg", '"x"'], "parameter 'a': expected int"),
        (["add", "--arg", "1", "--kwarg", "c=1"], "there is no parameter 'c'"),
        (["add", "--arg", "cat.png"], "'cat.png' is no JSON; a text is written with quotes"),
        (["add", "--arg", "NaN"], "'NaN' is no JSON"),
        (["add", "--kwarg", "1"], "give a name, '=' and a value in JSON"),
        (["add", "--arg", "1", "--priority", "20"], "20 is not in the range"),
        (["add", "--arg", "1", "--due", "soon"], "neither a time like 2025-11-03T09:30 nor a wait"),
        (["add", "--arg", "1", "--after", "x"], "'x' is no job's id"),
        (["add", "--arg", "1", "--after", "1:running"], "with ends out of succeeded, failed, skipped, canceled"),
        (["add", "--arg", "1", "--expires", "99999999999d"], "at most 36500d"),
        (["add", "--arg", "1", "--expires", "never"], "give seconds"),
    ],
)
def test_a_call_that_does_not_fit_is_wrong_use_and_stores_nothing(jobyard, args, said):
    result = jobyard("enqueue", *args, app=True)

    assert result.exit_code == 2
    assert said in result.stderr
    assert jobyard.data("job", "list") == []


def test_a_drained_queue_refuses(jobyard):
    jobyard.done("queue", "drain", "default")

    result = jobyard("enqueue", "add", "--arg", "1", app=True)

    assert result.exit_code == 1
    assert "drained" in result.stderr


def test_the_tasks_are_listed_with_their_options(jobyard):
    tasks = {task["name"]: task for task in jobyard.data("task", "list", app=True)}

    assert tasks["day"] == {
        "name": "day",
        "aliases": [],
        "function": "tests.cli.shop:day",
        "signature": "(when: date)",
        "queue": "calendar",
        "priority": None,
        "retry": tasks["day"]["retry"],
        "timeout": 60.0,
        "heartbeat_timeout": None,
        "isolation": None,
        "runs": "thread",
        "memory_limit": None,
        "title": "A day",
        "ack": "batch",
        "log_prints": False,
    }
    assert tasks["day"]["retry"]["attempts"] == 3
    assert "calendar" in jobyard.done("task", "list", app=True)


def test_jobs_that_fit_pass_the_check(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    result = jobyard("task", "check", app=True)

    assert (result.exit_code, result.stdout) == (0, "")


def test_jobs_that_no_longer_fit_are_listed(jobyard):
    with Yard(jobyard.url) as before:
        add = before.task(name="add")(_add_of_before)
        gone = before.task(name="gone")(_gone)
        add.enqueue("one", 2, 3)
        first = gone.enqueue()
        add.enqueue(first, 2, 3)
        before.enqueue(add.op(1, 2, 3), gone.op())

    result = jobyard("task", "check", app=True)
    found = jobyard.data("task", "check", app=True)

    assert result.exit_code == 1
    assert [(each["id"], each["task"]) for each in found] == [
        (1, "add"),
        (2, "gone"),
        (3, "add"),
        (4, "add"),
        (4, "gone"),
    ]
    assert found[0]["problem"] == "add: takes at most 2 arguments by position (a, b), got 3"
    assert "no task 'gone'" in found[1]["problem"]
    assert set(found[0]) == {"id", "status", "queue", "task", "problem"}


def _add_of_before(a, b, c):
    return a


def _gone():
    return None
