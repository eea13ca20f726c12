"""What a shell is offered when Tab is pressed."""

from __future__ import annotations

import time

import pytest
from click.shell_completion import ShellComplete
from tests.cli.support import Jobyard
from tests.workflow.definitions import define

from jobyard import Yard
from jobyard.cli import cli


def offered(*words: str) -> list[str]:
    """The values for the last word."""
    found = ShellComplete(cli, {}, "jobyard", "_JOBYARD_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


@pytest.fixture
def yard(jobyard: Jobyard):
    """A yard with a job of another queue, a paused queue, a definition and a machine."""
    with Yard(jobyard.url, user="ann") as yard:
        define(yard, "import-git")
        yard.task(name="shrink")(_nothing).using(queue="images").enqueue()
        yard.queues.pause("mail")
        yard.machines.online("build7")
        yield yard


def _nothing() -> None: ...


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("job list --queue i", ["images"]),
        ("job list --task s", ["shrink"]),
        ("job cancel --definition im", ["import-git"]),
        ("job list --status s", ["scheduled", "suspended", "succeeded", "skipped"]),
        ("queue pause a ma", ["mail"]),
        ("queue set ma", ["mail"]),
        ("worker --queues a,ma", ["a,mail"]),
        ("definition show imp", ["import-git"]),
        ("definition pause imp", ["import-git"]),
        ("definition graph imp", ["import-git"]),
        ("run imp", ["import-git"]),
        ("machine show b", ["build7"]),
        ("machine quiesce b", ["build7"]),
        ("event list --machine b", ["build7"]),
        ("workflow new imp", ["import-git"]),
        ("workflow take b", ["build7"]),
        ("workflow finish 1 failure_i", ["failure_invalid"]),
        ("run-external --machine b", ["build7"]),
        ("job list --queue nobody", []),
    ],
)
def test_names_of_the_store_are_offered(yard, words, names):
    assert offered("--url", yard.url, *words.split()) == names


def test_the_tasks_of_the_application_are_offered_with_those_of_its_jobs(yard):
    app = Jobyard(yard.url).app
    assert offered("--url", yard.url, "--app", app, "enqueue", "s") == ["shrink", "skip"]
    assert offered("--url", yard.url, "--app", app, "enqueue", "add", "--queue", "c") == ["calendar"]


def test_the_url_of_the_file_is_taken(yard, tmp_path):
    (tmp_path / "jobyard.toml").write_text(f"url = {yard.url!r}\n")

    assert offered("machine", "show", "") == ["build7"]


@pytest.mark.parametrize(
    "words",
    [
        "job list --queue ",
        "--url mysql://x job list --queue ",
        "--url postgresql://postgres@127.0.0.1:1/x machine show ",
        "--app nowhere enqueue ",
        "--app loud enqueue ",
        "--concurrency many definition show ",
    ],
)
def test_what_cannot_be_read_offers_nothing_and_says_nothing(tmp_path, capfd, words):
    (tmp_path / "loud.py").write_text("import sys\nprint('hello')\nsys.exit('bye')\n")

    assert offered(*words.split(" ")) == []
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "jobyard.db").exists()


def test_nobody_waits_long_for_an_application(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(4)\n")
    began = time.monotonic()

    assert offered("--app", "slow", "enqueue", "a") == []
    assert time.monotonic() - began < 3.5
