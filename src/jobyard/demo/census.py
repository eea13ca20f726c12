"""The figures of all files, added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobyard.demo.source import FileCount

__all__ = ["Census", "PackageCount", "Unparsed", "added_up", "by_package"]


@dataclass(frozen=True, slots=True)
class PackageCount:
    """The figures of a package with all that is in it, or of a module that is in no package."""

    name: str
    files: int
    lines: int
    functions: int
    classes: int
    docstrings: int
    documentable: int
    nesting: int

    @property
    def documented(self) -> float:
        """The share of modules, classes and functions that have a docstring."""
        return self.docstrings / self.documentable if self.documentable else 0.0


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A file that does not parse, and the job that failed at it."""

    path: str
    job: int
    error: str


@dataclass(frozen=True, slots=True)
class Census:
    """What the report says."""

    python: str
    library: str
    total: PackageCount
    packages: list[PackageCount]
    """The largest first."""
    deepest: FileCount | None
    unparsed: list[Unparsed]
    added: str | None
    """The broken file that the demo had to bring along, since the library has none."""


def added_up(name: str, files: Iterable[FileCount]) -> PackageCount:
    """The sum of these files."""
    counts = list(files)
    return PackageCount(
        name,
        files=len(counts),
        lines=sum(count.lines for count in counts),
        functions=sum(count.functions for count in counts),
        classes=sum(count.classes for count in counts),
        docstrings=sum(count.docstrings for count in counts),
        documentable=sum(count.documentable for count in counts),
        nesting=max((count.nesting for count in counts), default=0),
    )


def by_package(files: Sequence[FileCount]) -> dict[str, list[FileCount]]:
    """The files of each package, the largest package first."""
    groups: defaultdict[str, list[FileCount]] = defaultdict(list)
    for count in files:
        groups[_package_of(count.path)].append(count)
    return dict(sorted(groups.items(), key=lambda group: -sum(count.lines for count in group[1])))


def _package_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")
