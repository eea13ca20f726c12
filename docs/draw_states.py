"""
Draw `internals/states.md` and its picture from the transition table, so that neither can tell another story.

Run it without arguments after a change to `model/states.py` (``make fix`` does).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from jobyard.model.states import FINAL, STATUSES, TRANSITIONS, Status, calc_status, op_statuses

HERE = Path(__file__).parent / "internals"

MEANING = {
    "scheduled": "Due in the future: by `due=`, or by the back-off of a retry.",
    "queued": "Ready: the next free worker that serves its queue takes it.",
    "waiting": "For something that is not there yet: a job it depends on, or what others hold.",
    "suspended": "Put aside until somebody resumes it.",
    "running": "A worker holds it.",
    "canceling": "It was running when somebody canceled it; its code has been told.",
    "succeeded": "Every op returned.",
    "failed": "An op failed, and no attempt is left.",
    "skipped": "The task raised `SkipJob`: finished without failure and without a result.",
    "canceled": "Canceled before it ran, or while it did.",
}

WHEN = {
    ("scheduled", "queued"): "its due has come, or `run_now`",
    ("scheduled", "waiting"): "it gets a dependency that is open",
    ("scheduled", "suspended"): "`suspend`",
    ("scheduled", "canceled"): "`cancel`, or it expires",
    ("scheduled", "running"): "somebody takes it by hand: due and running in one step",
    ("queued", "running"): "a worker claims it",
    ("queued", "waiting"): "something it needs is not there",
    ("queued", "suspended"): "`suspend`, or its arguments no longer fit the task",
    ("queued", "canceled"): "`cancel`, or it expires",
    ("waiting", "queued"): "the last thing it waited for is there",
    ("waiting", "scheduled"): "the last thing it waited for is there, and its due is still ahead",
    ("waiting", "suspended"): "`suspend`",
    ("waiting", "canceled"): "`cancel`, it expires, or a dependency was canceled and it did not accept that",
    ("waiting", "failed"): "a dependency ended in a way it did not accept",
    ("suspended", "queued"): "`resume`",
    ("suspended", "scheduled"): "`resume`, and its due is still ahead",
    ("suspended", "waiting"): "`resume`, and a dependency is open",
    ("suspended", "canceled"): "`cancel`, or it expires",
    ("suspended", "running"): "somebody takes it by hand",
    ("running", "succeeded"): "the last op returned",
    ("running", "failed"): "an op failed on the last attempt, or its worker died once too often",
    ("running", "skipped"): "the task raised `SkipJob`",
    ("running", "canceled"): "the task raised `CancelJob`",
    ("running", "canceling"): "`cancel`",
    ("running", "suspended"): "the task raised `SuspendJob`",
    ("running", "scheduled"): "an attempt failed and another will follow after the back-off",
    ("running", "queued"): "its worker gave it back or was lost",
    ("canceling", "succeeded"): "the last op returned all the same",
    ("canceling", "failed"): "the op failed with an error of its own; there is no retry",
    ("canceling", "canceled"): "the op stopped, or it returned with ops left, or its worker was lost",
}

PAGE = """\
# States

% Drawn by docs/draw_states.py from src/jobyard/model/states.py: change those, then run `make fix`.

Every change of a job's status, on every path (library, command line, HTTP, worker), is looked up in one table,
`TRANSITIONS` in `src/jobyard/model/states.py`. What the table does not have raises `InvalidTransition`, which names
both statuses, and nothing is written. This page is drawn from that table.

![The statuses of a job and the ways between them](states.svg)

## What each status means

{meanings}

`scheduled` and `queued` differ by the clock alone: a job whose due has come reads `queued`, whether or not a worker has
noticed. An open dependency goes first: the job is `waiting` whatever its due.

## What may follow what

{transitions}

A final status is left in one way only: an explicit `retry` makes the job `queued`, `scheduled` if its due is ahead, or
`waiting` if a dependency is open.

## Ops

The ops of a job run in order, so the status of each follows from the job's and from the cursor, the index of the op
that is next or running. A job of three ops with the cursor at the second one:

{ops}

A job that has succeeded has its cursor behind the last op.

## The status of a job from its ops

`calc_status` goes the other way: it walks over the ops in order and gives the status of the job back. It follows the
table of Ganeti's job queue, all 49 pairs of its seven statuses (there `waiting` is called waitlock, `succeeded` success
and `failed` error), with three more rows: `scheduled` and `suspended` count like `waiting`, and `skipped` ends the walk
like `canceled`. The row is the first op, the column the second:

{pairs}

Where Ganeti's prose and its table differ (a canceling op before a waiting, running, canceled or failed one), the table
decides: the job is `canceling`. A job without ops, which can only be restored and never made, is `succeeded`.
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _next(before: Status) -> list[Status]:
    return sorted(TRANSITIONS[before], key=STATUSES.index)


def _transitions() -> Iterator[list[str]]:
    for before in STATUSES:
        if before in FINAL:
            continue
        for after in _next(before):
            yield [f"`{before}`", f"`{after}`", WHEN[before, after]]


def _ops() -> Iterator[list[str]]:
    for status in STATUSES:
        if status is not Status.SUCCEEDED:
            yield [f"`{status}`", *op_statuses(status, 1, 3)]


def _pairs() -> Iterator[list[str]]:
    for first in STATUSES:
        yield [f"**{first}**", *(calc_status([first, second]) for second in STATUSES)]


def page() -> str:
    """The whole page, in MyST."""
    return PAGE.format(
        meanings=_table(["status", "meaning"], ([f"`{s}`", MEANING[s]] for s in STATUSES)),
        transitions=_table(["from", "to", "when"], _transitions()),
        ops=_table(["the job", "first op", "second op", "third op"], _ops()),
        pairs=_table(["", *STATUSES], _pairs()),
    )


WIDTH, HEIGHT, BOX_WIDTH, BOX_HEIGHT = 900, 530, 120, 40
PLACES = {
    "scheduled": (150, 60),
    "queued": (150, 160),
    "waiting": (150, 260),
    "suspended": (150, 360),
    "running": (430, 110),
    "canceling": (430, 410),
    "succeeded": (710, 60),
    "failed": (710, 160),
    "skipped": (710, 260),
    "canceled": (710, 360),
}
"""The upper left corner of each box: what waits, what is held, what has ended."""

COLUMNS = sorted({x for x, _ in PLACES.values()})
INKS = dict(zip(COLUMNS, ("#2b6cb0", "#b7791f", "#4a5568"), strict=True))
SVG = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="15">
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0 0 8 4 0 8Z" fill="context-stroke"/></marker></defs>
<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#fff"/>
"""
Edge = tuple[Status, Status]


def edges() -> list[Edge]:
    """All but the explicit retry, which leads from each final status to the same ones."""
    return [(before, after) for before in STATUSES if before not in FINAL for after in _next(before)]


def _side(edge: Edge, end: int) -> str:
    """On which side of its box an edge begins (end 0) or ends (end 1)."""
    here, there = PLACES[edge[end]], PLACES[edge[1 - end]]
    if here[0] == there[0]:
        return "left" if here[0] == COLUMNS[0] else "down" if there[1] > here[1] else "up"
    return "right" if there[0] > here[0] else "left"


def _port(edge: Edge, end: int) -> tuple[float, float]:
    """Where an edge touches its box: the edges of one side share it out, in the order of their other ends."""
    status, side = edge[end], _side(edge, end)
    there = sorted(
        (
            (PLACES[e[1 - i]][1], PLACES[e[1 - i]][0], i, e)
            for e in edges()
            for i in (0, 1)
            if e[i] is status and _side(e, i) == side
        ),
        key=lambda found: found[:3],
    )
    index = [(i, e) for *_, i, e in there].index((end, edge))
    share = (index + 1) / (len(there) + 1)
    x, y = PLACES[status]
    if side in ("up", "down"):
        return x + BOX_WIDTH * share, y + BOX_HEIGHT * (side == "down")
    return x + BOX_WIDTH * (side == "right"), y + BOX_HEIGHT * share


def _curve(edge: Edge) -> str:
    (x1, y1), (x2, y2) = _port(edge, 0), _port(edge, 1)
    pull = {"left": -1, "right": 1, "up": 0, "down": 0}
    reach = 30 + 0.28 * abs(y2 - y1) if x1 == x2 else abs(x2 - x1) / 2
    bend1, bend2 = x1 + reach * pull[_side(edge, 0)], x2 + reach * pull[_side(edge, 1)]
    ink = INKS[PLACES[edge[0]][0]]
    path = f"M{x1:.0f} {y1:.0f}C{bend1:.0f} {y1:.0f} {bend2:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="1.3" marker-end="url(#tip)"/>'


def _box(status: str) -> str:
    x, y = PLACES[status]
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="#f7fafc" stroke="{INKS[x]}" '
        f'stroke-width="2"/>\n<text x="{x + BOX_WIDTH // 2}" y="{y + 25}" text-anchor="middle">{status}</text>'
    )


def _retry() -> str:
    """The way back, once for all final statuses: it leads from each of them to the same ones."""
    (targets,) = {TRANSITIONS[final] for final in FINAL}
    first, *others = sorted(targets, key=STATUSES.index)
    x, y = COLUMNS[2], HEIGHT - 35
    dashes = 'fill="none" stroke="#718096" stroke-dasharray="5 4"'
    return "\n".join(
        (
            f'<rect x="{x - 15}" y="40" width="{BOX_WIDTH + 30}" height="380" rx="14" {dashes}/>',
            f'<path d="M{x + BOX_WIDTH // 2} 420V{y}H400" {dashes} marker-end="url(#tip)"/>',
            f'<rect x="40" y="{y - 18}" width="360" height="36" rx="18" {dashes}/>',
            f'<text x="220" y="{y + 5}" text-anchor="middle">explicit retry: {", ".join(others)} or {first}</text>',
        )
    )


def picture() -> str:
    """The picture of all ways, as SVG."""
    return SVG + "\n".join([*map(_curve, edges()), *map(_box, STATUSES), _retry()]) + "\n</svg>\n"


def main() -> None:
    """Write both files."""
    HERE.joinpath("states.md").write_text(page(), encoding="utf-8")
    HERE.joinpath("states.svg").write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
