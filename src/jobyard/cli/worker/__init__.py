"""``jobyard worker``: run jobs; ``jobyard worker list``: who does."""

from __future__ import annotations

import click

from jobyard.cli.command import Noun, setting_options
from jobyard.cli.params import size
from jobyard.cli.session import Session, pass_session
from jobyard.cli.worker.listing import list_workers

__all__ = ["command"]

_SETTINGS = (
    *("queues", "concurrency", "processes", "poll", "heartbeat", "lost_after", "shutdown_grace", "cancel_grace"),
    *("max_crashes", "max_log", "log_level", "mask", "max_payload", "keep", "keep_failed", "reclaim_after"),
    *("failure_limit", "aging", "user"),
)


@click.group(cls=Noun, name="worker", invoke_without_command=True, subcommand_metavar="[list]")
@setting_options(_SETTINGS)
@click.option("--name", metavar="NAME", help="What others see the worker under; by default host, process and a number.")
@click.option("--until-idle", is_flag=True, help="Leave when nothing is ready or running here; 1 if a job failed.")
@click.option("--max-jobs", type=click.IntRange(min=1), metavar="N", help="Replace a child process after so many jobs.")
@click.option("--max-memory", type=size, metavar="SIZE", help="Replace a child process that has grown beyond this.")
@click.option("--health-file", type=click.Path(dir_okay=False), help="Touch this file with every heartbeat.")
@click.option("--reload", is_flag=True, help="Start again when a source file of the application changes.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    /,
    name: str | None,
    until_idle: bool,
    max_jobs: int | None,
    max_memory: int | None,
    health_file: str | None,
    reload: bool,
) -> None:
    """
    Run jobs until told to stop (or list the workers).

    The first SIGTERM or Ctrl-C lets running jobs end for --shutdown-grace, the second stops them, the third ends the
    process. Exits with 0 if every job that had begun came to its own end.

    \b
    Examples:
      jobyard --app shop.jobs worker
      jobyard --app shop.jobs worker --queues images,mail --concurrency 20
      jobyard --app shop.jobs worker --processes 4 --max-jobs 1000 --max-memory 512M
      jobyard --app shop.jobs worker --until-idle
      jobyard worker list
    """
    if ctx.invoked_subcommand is not None:
        return
    from jobyard.cli.worker.run import Plan, run

    plan = Plan(name, until_idle, max_jobs, max_memory, health_file, reload)
    raise click.exceptions.Exit(run(session.app(may_be_new=True), plan))


command.add_command(list_workers)
