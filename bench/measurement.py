"""What is measured: subjects, each run on a store of its own, and the floors that their figures are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Figures", "Floor", "Measurement", "Plan", "Sizes", "Step", "Subject", "Verdict", "step"]

Figures = Mapping[str, Mapping[str, float]]
"""By subject, then by figure. The end of a figure's name is its unit: ``per_s``, ``_ms``, ``_mib``."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything. Rates are of no use when a run is over before it is warm: `quick` is a smoke test."""

    rounds: int = 3
    singles: int = 3_000
    jobs: int = 20_000
    slow_jobs: int = 3_000
    busy_jobs: int = 3_000
    backlog: int = 1_000_000
    samples: int = 400
    waiting: int = 150_000
    scheduled: int = 150_000
    finished: int = 1_000_000
    starts: int = 7
    idle_s: float = 20.0

    @classmethod
    def quick(cls) -> Sizes:
        """A hundredth of the work, once."""
        return cls(1, 200, 2_000, 300, 300, 20_000, 60, 2_000, 2_000, 10_000, 2, 3.0)


@dataclass(frozen=True)
class Step:
    """A call of ``module:function`` in a process of its own, with the store's URL and these arguments."""

    call: str
    arguments: Mapping[str, object]


def step(call: str, /, **arguments: object) -> Step:
    """The step that makes this call."""
    return Step(call, arguments)


@dataclass(frozen=True)
class Subject:
    """Who is measured: steps on one fresh store, of which the last gives the figures."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Floor:
    """
    What must be reached: *bound* by a (subject, figure), in proportion to another one (`of`) or beyond it (`minus`).

    `at_most` turns it into a ceiling.
    """

    what: str
    figure: tuple[str, str]
    bound: float
    of: tuple[str, str] | None = None
    minus: tuple[str, str] | None = None
    at_most: bool = False

    def judge(self, figures: Figures) -> Verdict:
        """What was reached. A figure that is missing is a floor that was not reached."""
        try:
            value = self._value(figures)
        except KeyError:
            return Verdict(self, None, False)
        return Verdict(self, value, value <= self.bound if self.at_most else value >= self.bound)

    def _value(self, figures: Figures) -> float:
        value = _figure(figures, self.figure)
        if self.minus:
            value -= _figure(figures, self.minus)
        return value / _figure(figures, self.of) if self.of else value


def _figure(figures: Figures, place: tuple[str, str]) -> float:
    subject, name = place
    return figures[subject][name]


@dataclass(frozen=True)
class Verdict:
    """A floor, and how far we came."""

    floor: Floor
    value: float | None
    passed: bool


@dataclass(frozen=True)
class Measurement:
    """One question, the subjects that answer it side by side, and what is asked of the answer."""

    name: str
    title: str
    subjects: tuple[Subject, ...]
    floors: tuple[Floor, ...]
    note: str = ""


Plan = Callable[[Sizes], list[Measurement]]
"""What a module of `bench.measurements` offers, one plan for each kind of store it can measure."""
