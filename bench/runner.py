"""Runs the subjects of a measurement in turns, A B C A B C, so that a machine that slows down slows all alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench.measurement import Figures, Measurement, Step, Subject
from bench.place import PLACES

__all__ = ["SubjectFailed", "command", "run"]

ROOT = Path(__file__).parent.parent
LIMIT_S = 300
ERROR_LINES = 6
Watch = Callable[[str], None]


class SubjectFailed(Exception):
    """A step ended badly; the text is the end of what it wrote to stderr."""


def run(measurement: Measurement, store: str, rounds: int, watch: Watch) -> tuple[Figures, dict[str, str]]:
    """The medians of each subject, and by name the errors of those that failed (and were not run again)."""
    taken: dict[str, list[Mapping[str, float]]] = {subject.name: [] for subject in measurement.subjects}
    errors: dict[str, str] = {}
    for number in range(1, rounds + 1):
        for subject in measurement.subjects:
            watch(f"{measurement.name}: {subject.name}, round {number} of {rounds}")
            try:
                if subject.name not in errors:
                    taken[subject.name].append(_run_subject(subject, store))
            except SubjectFailed as error:
                errors[subject.name] = str(error)
    return {name: _medians(runs) for name, runs in taken.items() if name not in errors}, errors


def _medians(runs: list[Mapping[str, float]]) -> Mapping[str, float]:
    return {name: median(figures[name] for figures in runs) for name in runs[0]}


def _run_subject(subject: Subject, store: str) -> Mapping[str, float]:
    figures: Mapping[str, float] = {}
    with PLACES[store]() as url:
        for step in subject.steps:
            figures = _run_step(step, url)
    return figures


def command(step: Step, url: str) -> list[str]:
    """The command line of the process that makes this step."""
    return [sys.executable, "-m", "bench.child", step.call, url, json.dumps(step.arguments)]


def _end(text: str) -> str:
    return "\n".join(text.splitlines()[-ERROR_LINES:])


def _run_step(step: Step, url: str) -> Mapping[str, float]:
    try:
        done = subprocess.run(command(step, url), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise SubjectFailed(f"{step.call}: {_end(error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise SubjectFailed(f"{step.call}: not done after {LIMIT_S} s") from error
    figures: Mapping[str, float] = json.loads(done.stdout)
    return figures
