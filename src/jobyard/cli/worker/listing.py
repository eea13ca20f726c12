"""``jobyard worker list``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Command, json_option
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell
from jobyard.model.instants import from_micros

if TYPE_CHECKING:
    from jobyard.store.workers import WorkerRow

__all__ = ["list_workers"]

_STYLES = {"running": "green", "stopping": "yellow", "lost": "red", "silent": "red", "stopped": "dim"}


@click.command("list", cls=Command)
@click.option("--all", "everyone", is_flag=True, help="Those that have ended too.")
@json_option
@pass_session
def list_workers(session: Session, /, everyone: bool, as_json: bool) -> None:
    """
    List the workers that are alive.

    One that is "silent" has not been heard of for longer than --lost-after; its jobs go to the next that looks.

    \b
    Examples:
      jobyard worker list
      jobyard worker list --all --json
    """
    yard = session.yard()
    now = yard.store.now()
    with yard.store.read() as tx:
        rows = yard.store.workers.all(tx) if everyone else yard.store.workers.alive(tx)
        running = {row.id: len(yard.store.jobs.held_by(tx, row.id)) for row in rows}
    silent_before = now - round(yard.settings.lost_after * 1e6)
    workers = [_data(row, running[row.id], silent_before) for row in rows]
    if as_json:
        output.print_json(workers)
        return
    at = from_micros(now)
    table = output.table(
        "id", "name", "state", "queues", "running", "processes", "tasks", "started", "heartbeat",
        cut="queues",
        right=("id", "running", "processes", "tasks"),
    )  # fmt: skip
    for worker in workers:
        table.add_row(
            str(worker["id"]), cell(worker["name"]), cell(worker["state"], _STYLES.get(worker["state"], "")),
            cell("all" if worker["queues"] is None else ", ".join(worker["queues"])),
            f"{worker['running']}/{worker['concurrency']}", str(worker["processes"]), str(len(worker["tasks"])),
            format.ago(worker["started_at"], at), format.ago(worker["heartbeat"], at),
        )  # fmt: skip
    output.show_table(table, empty="no workers")


def _data(row: WorkerRow, running: int, silent_before: int) -> dict[str, Any]:
    alive = row.state in ("running", "stopping")
    return {
        **row._asdict(),
        "state": "silent" if alive and row.heartbeat < silent_before else row.state,
        "running": running,
        "started_at": from_micros(row.started_at),
        "heartbeat": from_micros(row.heartbeat),
        "ended_at": from_micros(row.ended_at),
    }
