"""The examples run as they stand, each as a program of its own in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobyard import Yard

EXAMPLES = Path(__file__).parent.parent / "examples"

SAID = {
    "pictures.py": r"17 jobs succeeded; the sheet is 320 points wide: sheet\.pgm\n",
    "sales.py": r"\{'apple': 5, 'pear': 5, 'plum': 9\}\nWARNING: job 3 is left out: ValueError: .* 'two'\n",
    "orders.py": (
        r"order 2 was not taken: no pears are left\n"
        r"confirm order 1: succeeded, confirmation [12]\nconfirm order 3: succeeded, confirmation [12]\n"
    ),
    "backup.py": r"log: copying photos\ncancel: True, .*\njob 1 is canceled\n",
}


def environment(**settings: str) -> dict[str, str]:
    """Ours with these settings of jobyard and no others."""
    return {key: value for key, value in os.environ.items() if not key.startswith("JOBYARD_")} | settings


def names_at(url: str) -> list[str]:
    """The definitions that are stored there."""
    with Yard(url) as yard:
        return [definition.name for definition in yard.definitions.list()]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_says_what_it_should(name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(SAID[name], done.stdout), done.stdout


def test_every_example_is_listed():
    listed = re.findall(r"^\| \[(\w+\.py)\]", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_the_sheet_is_a_picture(tmp_path):
    """The pipeline made what it says, not only a row that says so."""
    subprocess.run(
        [sys.executable, EXAMPLES / "pictures.py"], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )

    head, points = (tmp_path / "sheet.pgm").read_bytes().split(b"\n", 1)
    assert head == b"P5 320 40 255"
    assert len(points) == 320 * 40
    assert len(set(points)) > 100


def test_imports_outlive_a_machine_that_is_killed_and_leave_one_that_is_quiesced(url, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "imports" / "imports.py"],
        cwd=tmp_path, env=environment(JOBYARD_URL=url), capture_output=True, text=True, timeout=90,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "kernel: reclaimed on north, success_partial on south, success on south, success on south\n"
        "editor: success on south\n"
        "nowhere: failure_invalid on south\n"
        "north is online\n"
        "south is offline (quiesced)\n"
        "editor is queued, requested by bob\n"
    )
    assert names_at(url) == ["kernel", "editor", "nowhere"]
    log = subprocess.run(
        ["git", "-C", tmp_path / "mirrors" / "kernel.git", "log", "--format=%s", "main"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert log.stdout.splitlines() == [f"Write line {number}" for number in range(16, 0, -1)]


def test_the_graph_of_definitions_has_one_that_fails_and_one_that_is_skipped(url, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "etl" / "etl.py"],
        cwd=tmp_path, env=environment(JOBYARD_URL=url), capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("jobyard.errors.", "").replace("jobyard.model.faults.", "").splitlines()
    assert sorted(lines[:8]) == [
        "customers succeeded",
        "forecast failed: DependencyFailed: job 7 (weather), which this one waited for, failed, not succeeded",
        "orders succeeded",
        "page succeeded",
        "report succeeded",
        "returns skipped: SkipJob: nothing came back on 2024-02-29",
        "sales succeeded",
        "weather failed: ConnectionError: the weather service does not answer",
    ]
    assert lines[8:] == [
        "sales::harbour::ada 2/2",
        "sales::harbour::bob 1/1",
        "sales::market::bob 1/1",
        "sales::market::cleo 1/1",
        "north: 9 pieces",
        "south: 6 pieces",
    ]
    assert names_at(url) == ["orders", "customers", "returns", "weather", "sales", "forecast", "report", "page"]
