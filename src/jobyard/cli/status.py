"""How statuses and names look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobyard.model.states import Status

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["MARKS", "STYLES", "cell", "status_text"]

STYLES: dict[str, str] = {
    Status.SCHEDULED: "blue",
    Status.QUEUED: "cyan",
    Status.WAITING: "yellow",
    Status.SUSPENDED: "magenta",
    Status.RUNNING: "bold blue",
    Status.CANCELING: "bold yellow",
    Status.SUCCEEDED: "green",
    Status.FAILED: "bold red",
    Status.SKIPPED: "dim green",
    Status.CANCELED: "dim",
}

MARKS: dict[str, str] = {
    Status.SCHEDULED: "◷",
    Status.QUEUED: "•",
    Status.WAITING: "…",
    Status.SUSPENDED: "‖",
    Status.RUNNING: "▶",
    Status.CANCELING: "▷",
    Status.SUCCEEDED: "✔",
    Status.FAILED: "✘",
    Status.SKIPPED: "↷",
    Status.CANCELED: "∅",
}


def status_text(status: str, *, mark: bool = False) -> Text:
    """The status in its colour, if wanted behind its mark."""
    from rich.text import Text

    shown = str(status)
    return Text(f"{MARKS.get(shown, '•')} {shown}" if mark else shown, style=STYLES.get(shown, ""))


def cell(text: str, style: str = "") -> Text:
    """Words of users in one line, whatever is in them; the terminal's width may cut it."""
    from rich.text import Text

    line = " ".join(text.split())
    return Text(line, style=style, no_wrap=True, overflow="ellipsis")
