"""``jobyard run-external``: run a command for each job of a definition, in whatever language it is written."""

from __future__ import annotations

import shutil
import socket

import click

from jobyard.cli import format
from jobyard.cli.command import Command, setting_options
from jobyard.cli.failure import FAILED, WrongUse
from jobyard.cli.names import MACHINES, QUEUES
from jobyard.cli.params import duration
from jobyard.cli.session import Session, pass_session

__all__ = ["command"]

_USUAL_BEAT = 30.0
_HEARTBEAT = "How often a running job is beaten; by default each 30s, or ten times in reclaim_after if that is shorter."


@click.command(cls=Command, name="run-external")
@click.option(
    "--machine", metavar="NAME", shell_complete=MACHINES, help="The machine it is on; by default the name of this host."
)
@click.option("--limit", type=click.IntRange(min=1), default=3, show_default=True, help="At most so many at a time.")
@click.option(
    "--queue", metavar="NAME", shell_complete=QUEUES, help="Only jobs of this queue, which no worker should serve."
)
@click.option("--heartbeat", type=duration, metavar="DURATION", help=_HEARTBEAT)
@click.option(
    "--inactivity-timeout", type=duration, default="1h", show_default=True, help="After which silence to kill it."
)
@click.option("--until-idle", is_flag=True, help="Leave when no job is due or running; 1 if one failed.")
@setting_options(("user",))
@click.argument("words", metavar="-- COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_session
def command(
    session: Session,
    /,
    machine: str | None,
    limit: int,
    queue: str | None,
    heartbeat: float | None,
    inactivity_timeout: float,
    until_idle: bool,
    words: tuple[str, ...],
) -> None:
    """
    Run a command for each due job of a definition, with the job as JSON on its standard input.

    What it says goes to the log, the last five lines with every heartbeat. Its exit code becomes the result: 0 success,
    2 nothing changed, 3 partial, 4 invalid, 5 unsupported feature, 6 forbidden, 7 remote broken; any other, or a
    signal, is a failure. A command whose job is canceled, or that is silent for too long, gets SIGINT and 5 s later
    SIGKILL; so does one whose job was reclaimed or deleted, of which nothing more is said.

    SIGTERM or Ctrl-C: no new jobs; after shutdown_grace, or at the second one, commands are stopped and jobs go back.

    \b
    Examples:
      jobyard run-external --machine build7 --queue imports -- ./import.sh
      jobyard run-external --limit 1 --inactivity-timeout 10m -- node import.js
    """
    yard = session.yard(may_be_new=True)
    if shutil.which(words[0]) is None:
        msg = f"there is no command {words[0]!r}"
        raise WrongUse(msg)
    from jobyard.cli.run_external.job import Plan
    from jobyard.cli.run_external.runner import Runner

    beat = _beat(heartbeat, yard.settings.reclaim_after)
    plan = Plan(words, beat, inactivity_timeout, yard.settings.max_log.bytes)
    runner = Runner(yard, plan, machine=machine or socket.gethostname(), limit=limit, queue=queue)
    runner.run(until_idle=until_idle)
    if (until_idle and runner.failed) or runner.interrupted:
        raise click.exceptions.Exit(FAILED)


def _beat(given: float | None, reclaim_after: float) -> float:
    if given is None:
        return min(_USUAL_BEAT, reclaim_after / 10)
    if given * 2 > reclaim_after:
        limit = format.compact(reclaim_after)
        msg = f"--heartbeat {format.compact(given)} must be at most half of reclaim_after, which is {limit}"
        raise WrongUse(msg)
    return given
