"""The folder in which a census leaves its jobs and its report."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

__all__ = ["ADDED", "CHART", "REPORT", "cleared", "url_of"]

REPORT = "report.txt"
CHART = "report.svg"
ADDED = "broken.py"
_STORE = "census.db"


def cleared(folder: Path) -> None:
    """Make the folder, and delete what an earlier census left there; other files stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob(f"{_STORE}*"), folder / REPORT, folder / CHART, folder / ADDED):
        if old.is_dir():  # where processes wake each other
            rmtree(old)
        else:
            old.unlink(missing_ok=True)


def url_of(folder: Path) -> str:
    """The URL of the jobs in this folder."""
    return f"sqlite:///{quote(str(folder / _STORE))}"
