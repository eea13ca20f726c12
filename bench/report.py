"""Tables for the terminal, and ``RESULTS.md`` from its template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from string import Template

from rich.table import Table

from bench.measurement import Figures, Floor, Measurement, Verdict

__all__ = ["Report", "StoreResults", "terminal_table", "write"]

FOLDER = Path(__file__).parent
UNITS = {"per_s": "/s", "ms": " ms", "mib": " MiB", "bytes": " bytes"}


@dataclass(frozen=True)
class Report:
    """A measurement that was taken."""

    measurement: Measurement
    figures: Figures
    errors: dict[str, str]

    @property
    def verdicts(self) -> list[Verdict]:
        """By floor."""
        return [floor.judge(self.figures) for floor in self.measurement.floors]

    @property
    def passed(self) -> bool:
        """Whether every floor was reached."""
        return all(verdict.passed for verdict in self.verdicts)


def terminal_table(reports: list[Report]) -> Table:
    """All that is known so far: what was measured, and how it stands against its floors."""
    table = Table("measurement", "subject", "figures", "floor", title="Medians")
    for report in reports:
        for row in _rows(report):
            table.add_row(*row)
        table.add_section()
    return table


def _rows(report: Report) -> list[tuple[str, str, str, str]]:
    subjects = [(subject.name, _shown(report, subject.name)) for subject in report.measurement.subjects]
    floors = [f"[{'green' if verdict.passed else 'red'}]{_sentence(verdict)}[/]" for verdict in report.verdicts]
    pairs = list(zip_longest(subjects, floors, fillvalue=None))
    return [
        (report.measurement.name if not number else "", *(subject or ("", "")), floor or "")
        for number, (subject, floor) in enumerate(pairs)
    ]


def _shown(report: Report, subject: str) -> str:
    if subject in report.errors:
        return "failed"
    return ", ".join(_figure(name, value) for name, value in report.figures[subject].items())


def _figure(name: str, value: float) -> str:
    stem, _, _ = name.rpartition("per_s" if name.endswith("per_s") else "_")
    unit = next(text for ending, text in UNITS.items() if name.endswith(ending))
    return f"{stem.strip('_')} {_number(value)}{unit}".strip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _sentence(verdict: Verdict) -> str:
    reached = "no figure" if verdict.value is None else _number(verdict.value)
    return f"{verdict.floor.what}: {reached} ({_bound(verdict.floor)})"


def _bound(floor: Floor) -> str:
    return f"{'at most' if floor.at_most else 'at least'} {floor.bound:g}"


@dataclass(frozen=True)
class StoreResults:
    """All that one kind of store gave."""

    store: str
    machine: dict[str, str]
    reports: list[Report]
    profile: str


def write(results: list[StoreResults]) -> Path:
    """Put it all into ``RESULTS.md``. What is prose there is prose in the template."""
    template = Template((FOLDER / "RESULTS.template.md").read_text())
    path = FOLDER / "RESULTS.md"
    path.write_text(template.substitute(results="\n\n".join(map(_store_section, results))).rstrip() + "\n")
    return path


def _store_section(results: StoreResults) -> str:
    """The prose about one store is a template of its own, so that each says what its own time goes to."""
    template = Template((FOLDER / f"RESULTS.{results.store}.template.md").read_text())
    return template.substitute(
        machine="\n".join(f"* {name}: {text}" for name, text in results.machine.items()),
        summary=_summary(results.reports),
        sections="\n\n".join(map(_section, results.reports)),
        profile=results.profile,
    ).rstrip()


def _summary(reports: list[Report]) -> str:
    rows = [
        (report.measurement.title, verdict.floor.what, _reached(verdict), _bound(verdict.floor), _word(verdict))
        for report in reports
        for verdict in report.verdicts
    ]
    return _markdown(("what", "measured in", "reached", "floor", ""), rows)


def _reached(verdict: Verdict) -> str:
    return "-" if verdict.value is None else _number(verdict.value)


def _word(verdict: Verdict) -> str:
    return "pass" if verdict.passed else "**fail**"


def _section(report: Report) -> str:
    rows = [(subject.name, _shown(report, subject.name)) for subject in report.measurement.subjects]
    parts = [f"### {report.measurement.title}", report.measurement.note, _markdown(("subject", "median"), rows)]
    return "\n\n".join(part for part in parts if part)


def _markdown(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
