"""``jobyard definition`` and ``jobyard run``."""

from __future__ import annotations

import json
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from tests.cli.support import Jobyard

from jobyard.store import open_store

SHOP = """
    definitions:
      - name: extract
        task: add
        args: [1, 2]
        every: 6h
      - name: report
        title: Nightly report
        notes: |
          Numbers *checked* by **finance**, see `the page <https://example.org>`_.

          * ``add`` them
        task: add
        args: [!retval extract, 10]
        dependencies: [extract]
        protected: true
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "jobs.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return str(path)

    return write


@pytest.fixture
def shop(jobyard: Jobyard, write) -> Jobyard:
    jobyard.done("definition", "load", write(SHOP), app=True)
    return jobyard


def test_check_lists_every_fault_with_its_line_and_ends_with_1(jobyard, write):
    path = write("""
        definitions:
          - {name: a, task: nope}
          - {name: b, task: add, dependencies: [c]}
        """)

    result = jobyard("definition", "check", path, app=True)

    assert result.exit_code == 1
    first, second, third = result.stdout.splitlines()
    assert first.startswith(f"{path}:2: a: no task 'nope' is registered here")
    assert second == f"{path}:3: b: depends on 'c', which is no definition"
    assert third == f"{path}:3: b: add: parameter 'a' is missing"


def test_a_good_file_has_no_faults(jobyard, write):
    assert jobyard.done("definition", "check", write(SHOP), app=True) == ""


def test_load_says_what_it_did(jobyard, write):
    assert jobyard.done("definition", "load", write(SHOP), app=True).split() == ["added", "extract", "added", "report"]
    changed = jobyard.done("definition", "load", write(SHOP.replace("6h", "7h")), app=True)
    assert changed.split() == ["changed", "extract"]
    kept = jobyard.done("definition", "load", write("definitions: []"), app=True)
    assert kept.split() == ["kept", "extract", "kept", "report"]
    pruned = jobyard.data("definition", "load", "--prune", write("definitions: []"), app=True)
    assert pruned["removed"] == ["extract", "report"]


def test_load_refuses_a_bad_file_with_all_its_faults(jobyard, write):
    result = jobyard("definition", "load", write("definitions: [{name: a, task: nope}]"), app=True)

    assert (result.exit_code, jobyard.data("definition", "list")) == (1, [])
    assert "line 1: a: no task 'nope'" in result.stderr


def test_dump_is_what_load_takes(shop):
    dumped = shop.done("definition", "dump")

    assert "args:\n  - !retval extract\n  - 10\n" in dumped
    assert [each["name"] for each in yaml.safe_load(dumped.replace("!retval ", ""))["definitions"]] == [
        "extract",
        "report",
    ]


def test_list_shows_the_last_runs(shop):
    assert [each["status"] for each in shop.data("definition", "list")] == ["not_built", "not_built"]
    shop.work()

    [extract, _] = shop.data("definition", "list")
    table = shop.done("definition", "list")

    assert (extract["status"], extract["failures"], len(extract["runs"])) == ("success", 0, 1)
    assert extract["interval"] == 6 * 3600
    assert "success" in table
    assert "in 6h 00m" in table or "in 5h 59m" in table
    assert shop.done("definition", "list", "--state", "failing") == ""


def test_show_renders_the_notes(shop):
    text = shop.done("definition", "show", "report")
    data = shop.data("definition", "show", "report")

    assert "Numbers checked by finance, see the page." in text
    assert "• add them" in text
    assert data["args"] == ["!retval extract", 10]
    assert (data["dependencies"], data["protected"], data["status"]) == (["extract"], True, "not_built")


def test_graph_is_a_tree_and_a_text_for_others(shop):
    tree = shop.done("definition", "graph")
    dot = shop.done("definition", "graph", "--format", "dot")
    mermaid = shop.done("definition", "graph", "report", "--format", "mermaid")

    assert tree.splitlines() == ["report not built", "└── extract not built"]
    assert '  "extract" -> "report";' in dot
    assert "  d1 --> d2" in mermaid


def test_run_builds_and_waits(shop):
    asked = shop("run", "report", app=True, input="n\n")
    done = shop("run", "report", "--deps", "--here", "--yes", app=True)

    assert asked.exit_code == 1
    assert "report is protected" in asked.stderr
    assert (done.exit_code, done.stdout) == (0, "report: build 3 succeeded\n")


def test_build_names_what_is_missing(shop):
    result = shop("definition", "build", "report", "--yes")

    assert result.exit_code == 1
    assert "report needs the result of extract" in result.stderr
    assert shop.done("definition", "build", "report", "--yes", "--deps").strip() == "3"
    assert shop.done("definition", "build", "report", "--yes", "--pin", "extract=2").strip() == "4"
    assert shop("definition", "build", "report", "--pin", "extract").exit_code == 2


@pytest.mark.parametrize("command", [("definition", "build"), ("run", "--timeout", "0s")])
@pytest.mark.parametrize("options", [("extract", "--revdeps"), ("total", "--pin", "report=new"), ("total", "--deps")])
def test_every_protected_definition_that_would_be_built_is_asked_for(jobyard, write, command, options):
    more = "      - {name: total, task: add, args: [!retval report, 1], dependencies: [report]}\n"
    jobyard.done("definition", "load", write(SHOP + more), app=True)
    if options[1] != "--deps":
        jobyard.done("run", "extract", "--here", app=True)
    before = jobyard.data("job", "list")

    asked = jobyard(*command, *options, app=True, input="n\n")

    assert asked.exit_code == 1
    assert asked.stderr.count("report is protected. Build it?") == 1
    assert jobyard.data("job", "list") == before


def test_run_ends_with_1_unless_all_succeeded(jobyard, write):
    path = write("definitions: [{name: bad, task: broken, args: [secret]}]")
    jobyard.done("definition", "load", path, app=True)

    result = jobyard("run", "bad", "--here", app=True)

    assert result.exit_code == 1
    assert result.stdout.startswith("bad: build 1 failed, LookupError")


def test_states_and_requests(shop):
    assert shop.done("definition", "pause", "extract") == "definition extract is paused\n"
    assert shop("definition", "pause", "extract").exit_code == 1
    assert shop.done("definition", "resume", "extract").startswith("definition extract is active, job 2 is queued")
    assert shop("--user", "bob", "definition", "request", "extract").exit_code == 0
    refused = shop("definition", "request", "extract")
    assert (refused.exit_code, "bob" in refused.stderr) == (1, True)
    assert shop.done("definition", "retire", "extract") == "definition extract is retired\n"
    assert shop("definition", "delete", "extract").exit_code == 1
    assert shop.done("definition", "delete", "report") == "definition report deleted\n"


def test_the_user_of_a_run_is_its_requester(jobyard, write):
    file = write("definitions: [{name: r, task: add, args: [1, 2]}]")
    jobyard.done("definition", "load", file, "--user", "ann", app=True)
    jobyard.done("run", "r", "--here", "--user", "bob", app=True)

    assert [job["requester"] for job in jobyard.data("job", "list")] == ["bob"]
    events = [(event["kind"], event["user"]) for event in jobyard.data("event", "list", "--limit", "0")]
    assert ("request", "bob") in events
    assert ("create", "ann") in events


def test_the_log_of_the_newest_run(jobyard, write):
    jobyard.done("definition", "load", write("definitions: [{name: r, task: report, args: [2]}]"), app=True)
    assert "has no results" in jobyard("definition", "log", "r").stderr
    jobyard("run", "r", "--here", app=True)

    log = jobyard.done("definition", "log", "r")

    assert [line.rpartition(" shop: ")[2] for line in log.splitlines()] == ["part 0", "part 1", "nearly done"]
    assert jobyard("definition", "log", "r", "--job", "99").exit_code == 1


def test_builds_are_deleted_by_id(shop):
    shop.work()

    assert shop.done("definition", "delete-build", "1", app=True) == "build 1 deleted\n"
    assert [job["id"] for job in json.loads(shop.done("job", "list", "--json"))] == [2]


def test_a_build_that_is_not_there_is_nothing_to_delete(shop):
    job = shop.enqueue("add", "--arg", "1")

    result = shop("definition", "delete-build", "777", str(job), app=True)

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == ["there is no build 777", f"there is no build {job}"]


def test_a_clean_up_that_failed_is_shown(shop):
    shop.work()
    with closing(open_store(shop.url)) as store, store.transaction() as tx:
        tx.execute("update main.builds set cleanup_error = 'OSError: busy' where job = 1")

    shown = shop.done("job", "show", "1")

    assert "clean-up failed" in shown
    assert "OSError: busy" in shown
    assert "jobyard definition delete-build 1" in shown
    assert shop.data("job", "show", "1")["cleanup_error"] == "OSError: busy"
    assert "clean-up" not in shop.done("job", "show", "2")


def test_change_brings_keys_to_other_values_and_takes_them_back(shop):
    said = shop.done(
        "definition",
        "change",
        "report",
        "args=[!retval extract, 20]",
        "cron=*/5 * * * *",
        "title=",
        "--user",
        "bob",
        app=True,
    )
    [report] = [each for each in shop.data("definition", "list") if each["name"] == "report"]
    shown = shop.data("definition", "show", "report")

    assert said == "definition report is changed\n"
    assert report["next_due"] is not None
    assert (shown["args"], shown["cron"], shown["title"]) == (["!retval extract", 20], "*/5 * * * *", None)
    [event] = shop.data("event", "list", "--kind", "change")
    assert (event["user"], set(event["data"]["new"])) == ("bob", {"args", "cron", "title"})


def test_change_says_when_nothing_changed(shop):
    assert shop.done("definition", "change", "extract", "every=6h", app=True) == "definition extract is as before\n"
    assert shop.data("event", "list", "--kind", "change") == []


@pytest.mark.parametrize("key", ["name", "user", "colour"])
def test_change_names_the_keys_that_can_be_changed(shop, key):
    refused = shop("definition", "change", "extract", f"{key}=boss", "title=Extract", app=True)

    assert refused.exit_code == 2
    message = " ".join(refused.stderr.split())
    assert f"'{key}' is no key that can be changed: there are task, function, args, kwargs, cleanup" in message
    assert shop.data("event", "list", "--kind", "change") == []


@pytest.mark.parametrize("wrong", ["every", "=6h", "args=[", "colour=red", "every=soon", "priority=[1]"])
def test_change_refuses_what_a_file_would_be_refused_for(shop, wrong):
    assert shop("definition", "change", "extract", wrong, app=True).exit_code in (1, 2)
    assert shop.data("event", "list", "--kind", "change") == []
