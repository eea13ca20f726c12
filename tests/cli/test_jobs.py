"""``jobyard job``: listing, showing, and what people do to jobs."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest
from tests.cli.support import start

from jobyard.cli.data import JOB_FIELDS, OP_FIELDS
from jobyard.store import open_store


def test_an_empty_list_says_so_and_prints_no_row(jobyard):
    result = jobyard("job", "list")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no jobs\n")


def test_a_list_is_newest_first(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.enqueue("day", "--arg", '"2026-01-02"', "--due", "1h")

    lines = jobyard.done("job", "list").splitlines()

    assert lines[0].split() == ["id", "status", "queue", "title", "age", "attempt", "worker"]
    assert lines[1].split()[:5] == ["2", "scheduled", "calendar", "A", "day"]
    assert lines[2].split()[:4] == ["1", "queued", "default", "add"]
    assert "in 59m" in lines[1] or "in 1h" in lines[1]


def test_a_listed_job_has_the_fields_of_the_surface(jobyard):
    jobyard.enqueue("add", "--arg", "1", "--kwarg", "b=2", "--tag", "x", "--requester", "ann")

    [job] = jobyard.data("job", "list")

    assert tuple(job) == JOB_FIELDS
    assert job | {"received_at": None, "due": None, "ops": None} == {
        **dict.fromkeys(JOB_FIELDS),
        "id": 1,
        "status": "queued",
        "priority": 0,
        "queue": "default",
        "title": "add",
        "attempt": 0,
        "attempts": [],
        "requester": "ann",
        "log_serial": 0,
        "progress": [],
        "existing": False,
        "tags": ["x"],
    }
    assert job["due"].endswith("+00:00")
    assert job["ops"] == [
        {
            **dict.fromkeys(OP_FIELDS),
            "index": 0,
            "task": "add",
            "args": [1],
            "kwargs": {"b": 2},
            "status": "queued",
            "priority": 0,
        }
    ]


def test_a_shown_job_has_its_log_and_what_it_waits_for_too(jobyard):
    id = jobyard.enqueue("report", "--arg", "2")
    waiting = jobyard.data("job", "show", str(id))
    jobyard.work()

    job = jobyard.data("job", "show", str(id))

    assert tuple(job) == (*JOB_FIELDS, "why", "log", "cleanup_error")
    assert [reason["kind"] for reason in waiting["why"]] == ["no_worker"]
    assert job["status"] == "succeeded"
    assert job["result"] == "done"
    assert job["why"] == []
    assert [entry["message"] for entry in job["log"]] == ["part 0", "part 1", "nearly done"]
    assert job["progress"] == [{"group": ["reading", "pages"], "current": 2, "total": 2, "status": ""}]
    [attempt] = job["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "succeeded", None)


def test_an_error_is_shown_as_data(jobyard):
    id = jobyard.enqueue("broken", "--arg", '"hunter2"')
    jobyard.work()

    error = jobyard.data("job", "show", str(id))["error"]

    assert error["type"] == "LookupError"
    assert error["summary"] == "LookupError: {'answer': 42}"
    assert error["traceback"].startswith("Traceback (most recent call last):")
    assert "hunter2" not in json.dumps(error)


def test_several_shown_jobs_are_a_list(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.enqueue("add", "--arg", "2")

    assert [job["id"] for job in jobyard.data("job", "show", "2", "1")] == [2, 1]


def test_a_job_is_shown_to_people(jobyard):
    id = jobyard.enqueue("report", "--arg", "2", "--title", "Nightly", "--requester", "ann")
    jobyard.work()

    shown = jobyard.done("job", "show", str(id))

    for text in (
        "job 1",
        "succeeded",
        "Nightly",
        "report(2)",
        "ann",
        "reading",
        "pages",
        "100 %",
        "nearly done",
        "'done'",
    ):
        assert text in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_a_failed_job_shows_its_traceback_with_locals_and_without_secrets(jobyard):
    id = jobyard.enqueue("broken", "--arg", '"hunter2"')
    jobyard.work()

    shown = jobyard.done("job", "show", str(id))

    assert "raise LookupError(wrong)" in shown
    assert "wrong = {'answer': 42}" in shown
    assert "LookupError: {'answer': 42}" in shown
    assert "password = ***" in shown


def test_a_waiting_job_shows_why(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    id = jobyard.enqueue("add", "--arg", "1", "--after", "1")

    assert "waits for job 1 (add)" in jobyard.done("job", "show", str(id))


def test_the_others_are_shown_beside_one_that_is_not_there(jobyard):
    id = jobyard.enqueue("add", "--arg", "1")

    result = jobyard("job", "show", "99", str(id))

    assert result.exit_code == 1
    assert "job 1 " in result.stdout
    assert result.stderr == "jobyard: there is no job 99 (or it has been pruned)\n"


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--status", "failed"], [2]),
        (["--status", "failed", "--status", "succeeded"], [2, 1]),
        (["--queue", "calendar"], [3]),
        (["--task", "add", "--task", "day"], [3, 1]),
        (["--requester", "ann"], [1]),
        (["--definition", "none"], []),
        (["--since", "1h"], [3, 2, 1]),
        (["--until", "1h"], []),
        (["--since", "2999-01-01"], []),
        (["--limit", "2"], [3, 2]),
        (["--limit", "0"], [3, 2, 1]),
    ],
)
def test_filters_choose_jobs(jobyard, filters, ids):
    jobyard.enqueue("add", "--arg", "1", "--requester", "ann")
    jobyard.enqueue("broken", "--arg", '"x"')
    jobyard.enqueue("day", "--arg", '"2026-01-01"', "--due", "1h")
    jobyard.work()

    assert [job["id"] for job in jobyard.data("job", "list", *filters)] == ids


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["--status", "done"], "'done' is not one of"),
        (["--since", "tomorrow"], "'tomorrow' is neither a time like 2025-11-03T09:30 nor an age like 90s"),
        (["--since", "99999999999d"], "nor an age"),
        (["--limit", "-1"], "'-1': give a whole number from 0"),
    ],
)
def test_a_bad_filter_is_wrong_use(jobyard, filters, said):
    result = jobyard("job", "list", *filters)

    assert result.exit_code == 2
    assert said in result.stderr


def test_why_says_what_a_job_waits_for(jobyard):
    id = jobyard.enqueue("add", "--arg", "1")

    assert "none is online for the queue" in jobyard.done("job", "why", str(id))
    [reason] = jobyard.data("job", "why", str(id))
    assert reason["kind"] == "no_worker"
    assert reason["data"]["queue"] == "default"


def test_why_of_an_ended_job_is_its_end(jobyard):
    id = jobyard.enqueue("add", "--arg", "1")
    jobyard.work()

    assert jobyard.done("job", "why", str(id)) == f"job {id} is succeeded\n"


def test_only_a_running_job_has_a_stack(jobyard):
    id = jobyard.enqueue("add", "--arg", "1")

    result = jobyard("job", "stack", str(id))

    assert result.exit_code == 1
    assert f"job {id} is queued: only a running job has a stack" in result.stderr


def test_the_log_is_told_by_level_and_number(jobyard):
    id = str(jobyard.enqueue("report", "--arg", "2"))
    jobyard.work()

    assert [line.split(" ", 2)[2] for line in jobyard.done("job", "log", id).splitlines()] == [
        "INFO     shop: part 0",
        "INFO     shop: part 1",
        "WARNING  shop: nearly done",
    ]
    assert len(jobyard.done("job", "log", id, "--level", "warning").splitlines()) == 1
    assert len(jobyard.done("job", "log", id, "--last", "2").splitlines()) == 2
    assert jobyard.done("job", "log", id, "--last", "0") == ""


def test_the_log_as_json_is_an_object_a_line(jobyard):
    id = str(jobyard.enqueue("report", "--arg", "1"))
    jobyard.work()

    entries = [json.loads(line) for line in jobyard.done("job", "log", id, "--json").splitlines()]

    assert [(entry["serial"], entry["op"], entry["level"], entry["logger"]) for entry in entries] == [
        (1, 0, 20, "shop"),
        (2, 0, 30, "shop"),
    ]


def test_following_the_log_of_an_ended_job_ends(jobyard):
    id = str(jobyard.enqueue("report", "--arg", "2"))
    jobyard.work()

    assert len(jobyard.done("job", "log", id, "--follow").splitlines()) == 3


@pytest.mark.parametrize(
    ("task", "args", "code"), [("add", ["1"], 0), ("skip", [], 0), ("give_up", [], 1), ("broken", ['"x"'], 1)]
)
def test_wait_and_watch_end_as_the_job_did(jobyard, task, args, code):
    id = str(jobyard.enqueue(task, *[part for arg in args for part in ("--arg", arg)]))
    jobyard.work()

    waited, watched = jobyard("job", "wait", id), jobyard("job", "watch", id)

    assert (waited.exit_code, waited.output) == (code, "")
    assert watched.exit_code == code


def test_waiting_has_an_end(jobyard):
    id = jobyard.enqueue("add", "--arg", "1")

    result = jobyard("job", "wait", str(id), "--timeout", "0.05")

    assert result.exit_code == 1
    assert result.stderr == f"jobyard: not ended after 0.05s: job {id}; it goes on\n"


def test_watching_without_a_terminal_prints_changes(jobyard):
    id = str(jobyard.enqueue("broken", "--arg", '"x"'))
    jobyard.work()

    result = jobyard("job", "watch", id)
    lines = result.stdout.splitlines()

    assert lines[0] == "job 1: broken"
    assert lines[1].endswith("ERROR    shop: about to fail")
    assert lines[2] == "job 1 is failed"
    assert "wrong = {'answer': 42}" in result.stderr


def test_watching_ends_with_what_to_do_once_the_tables_are_newer(jobyard, tmp_path):
    id = jobyard.enqueue("add", "--arg", "1")
    watching = start("--url", jobyard.url, "job", "watch", str(id), cwd=tmp_path)
    assert "is queued" in [watching.stdout.readline() for _ in range(2)][-1]

    with closing(open_store(jobyard.url)) as store, store.transaction() as tx:
        tx.execute("alter table main.jobs add column later integer")
        tx.execute("insert into main.schema_version (version, word, applied_at) values (99, 'later', 0)")

    _, told = watching.communicate(timeout=20)
    assert watching.returncode == 1
    assert re.fullmatch(r"jobyard: .* is of version 99, made by a newer jobyard.*\n", told)


def test_watching_as_json_is_a_job_a_line(jobyard):
    id = str(jobyard.enqueue("add", "--arg", "1"))
    jobyard.work()

    [line] = jobyard("job", "watch", id, "--json").stdout.splitlines()

    assert json.loads(line)["result"] == 2


def test_jobs_are_canceled_by_id_each_for_itself(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.enqueue("add", "--arg", "2")
    jobyard.done("job", "cancel", "1")

    result = jobyard("job", "cancel", "1", "99", "2")

    assert result.exit_code == 1
    assert result.stdout == "job 2 canceled\n"
    assert result.stderr.splitlines() == [
        "jobyard: job 1 is already canceled",
        "jobyard: there is no job 99 (or it has been pruned)",
        "3 jobs, 2 refused",
    ]


def test_actions_as_json_say_what_became_of_each(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    result = jobyard("job", "cancel", "1", "99", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == [
        {"id": 1, "done": True, "text": "job 1 canceled"},
        {"id": 99, "done": False, "text": "there is no job 99 (or it has been pruned)"},
    ]


def test_filters_cancel_what_is_unfinished(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.work()
    jobyard.enqueue("add", "--arg", "2")
    jobyard.enqueue("add", "--arg", "3", "--due", "1h")

    assert jobyard.done("job", "cancel", "--task", "add") == "job 2 canceled\njob 3 canceled\n"


def test_filters_retry_what_failed(jobyard):
    jobyard.enqueue("broken", "--arg", '"x"')
    jobyard.enqueue("add", "--arg", "1")
    jobyard.work()

    assert jobyard.done("job", "retry", "--since", "1h") == "job 1 is now queued\n"


def test_a_dry_run_does_nothing(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    assert jobyard.done("job", "cancel", "--queue", "default", "--dry-run") == (
        "would cancel job 1, which is queued (add on queue default)\n"
    )
    assert jobyard.data("job", "show", "1")["status"] == "queued"


@pytest.mark.parametrize("verb", ["cancel", "retry"])
@pytest.mark.parametrize("args", [[], ["1", "--queue", "default"], ["--dry-run"]])
def test_actions_take_either_ids_or_filters(jobyard, verb, args):
    jobyard.enqueue("add", "--arg", "1")

    result = jobyard("job", verb, *args)

    assert result.exit_code == 2
    assert "give either the ids of jobs or filters" in result.stderr


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_filters_without_a_match_are_refused(jobyard, verb):
    result = jobyard("job", verb, "--queue", "nobody")

    assert result.exit_code == 1
    assert result.stderr.startswith("jobyard: no job fits the filters")


def test_a_job_is_suspended_and_resumed(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    assert jobyard.done("job", "suspend", "1") == "job 1 is now suspended\n"
    assert "until somebody resumes it" in jobyard.done("job", "why", "1")
    assert jobyard.done("job", "resume", "1") == "job 1 is now queued\n"
    assert jobyard("job", "resume", "1").exit_code == 1


def test_a_scheduled_job_is_run_now(jobyard):
    jobyard.enqueue("add", "--arg", "1", "--due", "1h")

    assert jobyard.done("job", "run-now", "1") == "job 1 is now queued\n"


def test_a_priority_may_be_negative(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.enqueue("add", "--arg", "2")

    jobyard.done("job", "priority", "1", "2", "-20")

    assert [job["priority"] for job in jobyard.data("job", "list")] == [-20, -20]


@pytest.mark.parametrize("priority", ["-21", "20", "high"])
def test_a_priority_beyond_the_range_is_wrong_use(jobyard, priority):
    jobyard.enqueue("add", "--arg", "1")

    assert jobyard("job", "priority", "1", priority).exit_code == 2


@pytest.mark.parametrize(
    "verb", ["show", "cancel", "retry", "suspend", "resume", "run-now", "wait", "watch", "why", "log", "stack"]
)
def test_a_job_that_is_not_there_is_refused(jobyard, verb):
    result = jobyard("job", verb, "99")

    assert result.exit_code == 1
    assert "jobyard: there is no job 99" in result.stderr


@pytest.mark.parametrize("id", ["one", "0", "1.5", "٣", "99999999999999999999"])
def test_an_id_is_a_number_from_1(jobyard, id):
    result = jobyard("job", "show", id)

    assert result.exit_code == 2
    assert f"{id!r} is no job's id" in result.stderr


def test_more_than_all_jobs_are_all_jobs(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    assert len(jobyard.data("job", "list", "--limit", "99999999999999999999")) == 1
