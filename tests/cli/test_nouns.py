"""Queues, events, pruning, the doctor and the settings."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import datetime

import pytest
from tests import postgres
from tests.cli.support import Jobyard

from jobyard import Yard
from jobyard.config import SETTINGS
from jobyard.store import open_store


def test_queues_are_listed_with_their_counts(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.done("queue", "set", "images", "--priority", "-3", "--retry", "5", "--timeout", "10m")

    [default, images] = jobyard.data("queue", "list")

    assert (default["name"], default["counts"]["queued"], default["counts"]["failed"]) == ("default", 1, 0)
    assert set(images) == {"name", "paused", "drained", "counts", "priority", "retry", "timeout", "aging"}
    assert (images["priority"], images["retry"]["attempts"], images["timeout"]) == (-3, 5, 600.0)
    assert "priority -3, 5 attempts, timeout 10m" in jobyard.done("queue", "list")


def test_a_queue_is_paused_drained_and_resumed(jobyard):
    assert jobyard.done("queue", "pause", "a", "b") == "queue a is paused\nqueue b is paused\n"
    assert jobyard.done("queue", "drain", "a") == "queue a is paused and drained\n"
    assert jobyard.done("queue", "resume", "a") == "queue a is open\n"


def test_an_option_of_a_queue_is_taken_back(jobyard):
    jobyard.done("queue", "set", "a", "--timeout", "10m", "--aging", "1m")

    assert jobyard.data("queue", "set", "a", "--timeout", "off")[0]["timeout"] is None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "say what to set"),
        (["--retry", "0"], "--retry: 0 is not in the range"),
        (["--priority", "x"], "--priority: 'x' is not a valid integer"),
        (["--timeout", "x"], "--timeout: give seconds"),
    ],
)
def test_a_bad_option_of_a_queue_is_wrong_use(jobyard, args, said):
    result = jobyard("queue", "set", "a", *args)

    assert result.exit_code == 2
    assert said in result.stderr


def test_events_are_listed_newest_first(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.done("--user", "ann", "job", "suspend", "1")
    jobyard.done("--user", "bob", "job", "resume", "1")

    events = jobyard.data("event", "list", "--job", "1")

    assert [(event["kind"], event["user"], event["job"]) for event in events] == [
        ("resume", "bob", 1),
        ("suspend", "ann", 1),
    ]
    assert set(events[0]) == {"id", "kind", "at", "user", "job", "definition", "machine", "data"}
    assert datetime.fromisoformat(events[0]["at"]).tzinfo is not None
    assert [event["kind"] for event in jobyard.data("event", "list", "--user", "ann")] == ["suspend"]
    assert len(jobyard.data("event", "list", "--limit", "1")) == 1
    assert "suspend" in jobyard.done("event", "list", "--kind", "suspend", "--since", "1h")


def test_pruning_tells_before_it_deletes(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.work()

    kept = jobyard.data("prune", "--dry-run")
    would = jobyard.data("prune", "--keep", "0.000001s", "--dry-run")

    assert set(kept) == {"jobs", "log", "events", "tokens", "requests", "workers"}
    assert (kept["jobs"], would["jobs"]) == (0, 1)
    assert jobyard.done("prune", "--dry-run") == "would delete nothing\n"
    assert jobyard.done("prune", "--keep", "0.000001s").startswith("deleted 1 jobs")
    assert jobyard.data("job", "list") == []


def test_the_doctor_finds_nothing_in_a_sound_store(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    jobyard.work()

    result = jobyard("doctor")

    assert result.exit_code == 0
    assert result.stdout.endswith("all is well\n")
    assert jobyard.data("doctor")["violations"] == []


def test_the_doctor_names_what_is_wrong(jobyard):
    jobyard.enqueue("add", "--arg", "1")
    with closing(open_store(jobyard.url)) as store, store.transaction() as tx:
        tx.execute("update main.jobs set ended_at = 5")

    result = jobyard("doctor")

    assert result.exit_code == 1
    assert "I4: the job is final without a time of its end, or has one and is not final: job 1" in result.stderr
    assert jobyard("doctor", "--json").exit_code == 1


def test_a_clock_that_is_off_is_a_warning_of_the_doctor(monkeypatch):
    real = time.time
    with postgres.schema(postgres.shared()) as url:
        jobyard = Jobyard(url)
        jobyard.done("db", "upgrade")
        monkeypatch.setattr(time, "time", lambda: real() + 60)

        result = jobyard("doctor")
        found = jobyard.data("doctor")

    assert result.exit_code == 0
    assert "s ahead of the server's" in result.stderr
    assert result.stdout.endswith("1 warning found\n")
    assert (found["faults"], len(found["warnings"])) == ([], 1)


def test_the_settings_are_told_with_their_sources(jobyard, tmp_path):
    (tmp_path / "jobyard.toml").write_text("concurrency = 3\nqueues = ['a', 'b']\n")

    found = jobyard.data("config", "check")
    shown = jobyard.done("config", "check")

    assert set(found) == set(SETTINGS)
    assert found["concurrency"] == {"value": 3, "source": f"{tmp_path}/jobyard.toml"}
    assert found["queues"]["value"] == ["a", "b"]
    assert found["url"]["source"] == "--url"
    assert "a, b" in shown
    assert "7d" in shown


def test_the_settings_are_told_without_the_password():
    away = Jobyard("postgresql://me:hush@host/db?schema=a")

    assert away.data("config", "check")["url"]["value"] == "postgresql://me:***@host/db?schema=a"
    assert "hush" not in away.done("config", "check")


def test_the_settings_of_the_application_are_told(tmp_path, monkeypatch, jobyard):
    (tmp_path / "own_settings.py").write_text("from jobyard import Yard\nyard = Yard(concurrency=7)\n")
    monkeypatch.syspath_prepend(tmp_path)
    jobyard.app = "own_settings"

    found = json.loads(jobyard("config", "check", "--json", app=True).stdout)

    assert found["concurrency"] == {"value": 7, "source": "argument of Yard"}


def test_every_wrong_name_fails_the_check(jobyard, tmp_path, monkeypatch):
    (tmp_path / "jobyard.toml").write_text("concurrencyy = 3\nmax_crash = 2\n")
    monkeypatch.setenv("JOBYARD_KEEP_FAILD", "1d")

    result = jobyard("config", "check")

    assert result.exit_code == 2
    for wrong, right in (("concurrencyy", "concurrency"), ("max_crash", "max_crashes"), ("keep_faild", "keep_failed")):
        assert f"there is no setting {wrong!r}; did you mean {right!r}" in result.stderr


def test_variables_without_effect_are_named(jobyard, monkeypatch):
    monkeypatch.delenv("JOBYARD_TEST_PG", raising=False)
    monkeypatch.setenv("JOBYARD_QUEUE_NAMES", "a")
    monkeypatch.setenv("JOBYARD_ZZZ", "1")

    result = jobyard("config", "check", "--json")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "jobyard: $JOBYARD_QUEUE_NAMES is no setting and has no effect; did you mean JOBYARD_QUEUES?",
        "jobyard: $JOBYARD_ZZZ is no setting and has no effect",
    ]
    assert set(json.loads(result.stdout)) == set(SETTINGS)


def test_a_long_list_is_not_cut_where_nobody_looks(jobyard):
    title = "a very long title " * 30
    with Yard(jobyard.url) as yard:
        yard.task(name="t")(_nothing).using(title=title).enqueue()

    assert title.strip() in jobyard.done("job", "list")


def _nothing():
    return None
