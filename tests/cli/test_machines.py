"""Machines and the workflow on the command line."""

from __future__ import annotations

import json

import pytest
from tests.cli.support import start
from tests.workflow.definitions import define, enter, log_of

from jobyard import Yard


@pytest.fixture
def yard(jobyard):
    with Yard(jobyard.url, user="ann") as yard:
        yield yard


@pytest.fixture
def pending(yard):
    return yard.workflow.new_job(define(yard))


@pytest.fixture
def running(yard, pending):
    return yard.workflow.start_job(pending, yard.machines.online("m1"))


def test_machines_are_brought_on_and_off(jobyard):
    said = jobyard.done("machine", "online", "b", "a", "--user", "bob", "--message", "new")
    jobyard.done("machine", "offline", "b", "--reason", "watchdog", "--user", "eve")

    assert said == "machine b is online\nmachine a is online\n"
    assert jobyard.done("machine", "quiesce", "a") == "machine a is quiescing\n"
    [a, b] = jobyard.data("machine", "list")
    assert (a["name"], a["state"], a["reason"], a["heartbeat"], a["jobs"]) == ("a", "quiescing", None, None, [])
    assert (b["state"], b["reason"]) == ("offline", "watchdog")
    assert [(e["kind"], e["user"], e["data"]) for e in b["events"]] == [
        ("offline", "eve", {"reason": "watchdog"}),
        ("online", "bob", {"message": "new"}),
    ]


def test_a_machine_shows_what_runs_there(jobyard, yard, running):
    yard.workflow.update_heartbeat(running, "one\ntwo")

    shown = jobyard.done("machine", "show", "m1")

    assert shown.startswith("machine m1 is online")
    assert "job 1  git  started" in shown
    assert "    | one\n    | two\n" in shown
    assert "start  job 1, definition git, machine m1" in shown
    assert jobyard.data("machine", "show", "m1")["jobs"][0]["logtail"] == "one\ntwo"
    assert jobyard.done("machine", "list").splitlines()[1].split() == ["m1", "online", "-", "1", "-"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("machine", "show", "m9"), "there is no machine 'm9'"),
        (("machine", "online", "m1"), "machine m1 is online and cannot become online"),
        (("workflow", "new", "cvs"), "there is no definition 'cvs'"),
        (("workflow", "new", "git"), "definition git has a job already"),
        (("workflow", "delete", "git"), "definition git is active"),
        (("workflow", "request", "1"), "job 1 of definition git is running, not pending"),
        (("workflow", "start", "1", "m1"), "job 1 of definition git is running, neither"),
        (("workflow", "heartbeat", "1", "--epoch", "7"), "was reclaimed from this run"),
        (("workflow", "finish", "9", "success"), "there is no job 9"),
        (("workflow", "take", "m1"), "no job for machine m1"),
    ],
)
def test_what_comes_at_the_wrong_moment_is_refused(jobyard, running, words, said):
    result = jobyard(*words)

    assert result.exit_code == 1
    assert said in result.stderr


def test_a_run_by_hand(jobyard, yard, tmp_path):
    define(yard)
    (tmp_path / "log").write_bytes(b"all\xff")

    new = jobyard.done("workflow", "new", "git")
    jobyard.done("workflow", "request", "1", "--user", "bob")
    taken = jobyard.data("workflow", "take", "m1", "--limit", "1", "--queue", "default")
    jobyard.done("workflow", "heartbeat", "1", "--logtail", "half", "--epoch", "1")
    ended = jobyard.data("workflow", "finish", "1", "failure_invalid", "--log", str(tmp_path / "log"))

    assert new.startswith("job 1 of definition git is queued, due 20")
    assert (taken["id"], taken["status"], taken["machine"], taken["epoch"]) == (1, "running", "m1", 1)
    assert (ended["status"], ended["requester"], ended["logtail"]) == ("failed", "bob", "half")
    assert log_of(yard, 1) == b"all\xff"
    kinds = [event["kind"] for event in jobyard.data("event", "list", "--definition", "git")]
    assert kinds == ["finish", "start", "request"]


def test_a_job_is_started_and_reclaimed(jobyard, yard, pending):
    yard.machines.online("m1")

    started = jobyard.done("workflow", "start", "1", "m1")
    reclaimed = jobyard.done("workflow", "reclaim", "1", "--user", "bob")

    assert started == "job 1 of definition git is running on m1, epoch 1\n"
    assert reclaimed == "job 1 of definition git is failed\n"
    assert [event["user"] for event in jobyard.data("event", "list", "--kind", "reclaim")] == ["bob"]


def test_who_starts_and_ends_a_run_is_named(jobyard, yard):
    define(yard)
    jobyard.done("workflow", "new", "git", "--user", "a")
    jobyard.done("workflow", "take", "m1", "--user", "b")
    jobyard.done("workflow", "heartbeat", "1", "--user", "c")
    jobyard.done("workflow", "finish", "1", "success", "--user", "d")
    jobyard.done("workflow", "start", "2", "m1", "--user", "e")
    jobyard.done("workflow", "finish", "2", "killed", "--user", "f")

    assert [(event.kind, event.user, event.machine) for event in reversed(yard.events(definition="git"))] == [
        ("start", "b", "m1"),
        ("finish", "d", "m1"),
        ("publish", "d", "m1"),
        ("start", "e", "m1"),
        ("kill", "f", "m1"),
        ("finish", "f", "m1"),
    ]


def test_who_starts_and_ends_a_run_without_a_definition_is_named(jobyard, yard):
    yard.machines.online("m1")
    jobyard.enqueue("add", "--arg", "1")
    jobyard.done("workflow", "start", "1", "m1", "--user", "a")
    jobyard.done("workflow", "finish", "1", "success", "--user", "b")

    assert [(event.kind, event.user) for event in yard.events(job=1)] == [("finish", "b"), ("start", "a")]


def test_a_pending_job_is_deleted(jobyard, yard, pending):
    enter(yard, "git", "retired")

    assert jobyard.done("workflow", "delete", "git", "--user", "bob") == "job 1 of definition git is canceled\n"
    assert [event.user for event in yard.events(kind="cancel")] == ["bob"]


def test_an_unknown_result_status_is_wrong_use(jobyard, running):
    assert jobyard("workflow", "finish", "1", "fine").exit_code == 2


def test_whoever_acts_is_named_after_every_verb(jobyard, yard):
    jobyard.enqueue("add", "--arg", "1")

    jobyard.done("job", "suspend", "1", "--user", "a")
    jobyard.done("job", "resume", "1", "--user", "b")
    jobyard.done("job", "priority", "1", "3", "--user", "c")
    jobyard.done("job", "cancel", "1", "--user", "d")
    jobyard.done("job", "retry", "1", "--user", "e")
    jobyard.done("queue", "pause", "x", "--user", "f")
    jobyard.done("queue", "set", "x", "--timeout", "5", "--user", "g")

    acted = {event.kind: event.user for event in yard.events()}
    expected = {
        "suspend": "a",
        "resume": "b",
        "priority": "c",
        "cancel": "d",
        "retry": "e",
        "pause": "f",
        "change": "g",
    }
    assert acted == expected


def test_events_are_followed(yard, tmp_path):
    yard.machines.online("m1")
    words = ("event", "follow", "--json", "--machine", "m1", "--last", "1")
    follower = start("--url", yard.url, *words, cwd=tmp_path)
    try:
        first = json.loads(follower.stdout.readline())
        yard.machines.online("m2")
        yard.machines.quiesce("m1")
        second = json.loads(follower.stdout.readline())
    finally:
        follower.kill()
        follower.communicate()

    assert [(told["kind"], told["machine"]) for told in (first, second)] == [("online", "m1"), ("quiesce", "m1")]
