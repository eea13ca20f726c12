"""``jobyard task``: what the application can run."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import format, output
from jobyard.cli.command import Noun, json_option
from jobyard.cli.failure import FAILED
from jobyard.cli.session import Session, pass_session
from jobyard.cli.status import cell

if TYPE_CHECKING:
    from jobyard.task.task import Task

__all__ = ["command"]


@click.command(cls=Noun, name="task")
def command() -> None:
    """
    List the application's tasks, and check stored jobs against them.

    \b
    Examples:
      jobyard --app shop.jobs task list
      jobyard --app shop.jobs task check
    """


@command.command("list")
@json_option
@pass_session
def list_tasks(session: Session, /, as_json: bool) -> None:
    """
    List the tasks of the application with their options.

    \b
    Examples:
      jobyard --app shop.jobs task list --json
    """
    tasks = [_data(task) for task in session.app(may_be_new=True).tasks]
    if as_json:
        output.print_json(tasks)
        return
    table = output.table(
        "name", "queue", "retry", "timeout", "runs", "arguments", cut="arguments", right=("retry", "timeout")
    )
    for task in tasks:
        table.add_row(
            cell(task["name"]), cell(task["queue"]), str(task["retry"].attempts if task["retry"] else 1),
            "-" if task["timeout"] is None else format.compact(task["timeout"]), task["runs"], cell(task["signature"]),
        )  # fmt: skip
    output.show_table(table, empty="the application has no tasks")


def _data(task: Task[..., Any]) -> dict[str, Any]:
    options = task.options
    return {
        "name": task.name,
        "aliases": task.aliases,
        "function": f"{task.module}:{task.qualname}",
        "signature": f"({', '.join(map(_parameter, task.signature.parameters.values()))})",
        "queue": task.queue,
        "priority": task.priority,
        "retry": options.retry,
        "timeout": options.timeout,
        "heartbeat_timeout": options.heartbeat_timeout,
        "isolation": task.isolation,
        "runs": "process" if task.isolation else "async" if task.is_async else "thread",
        "memory_limit": options.memory_limit,
        "title": task.title,
        "ack": task.ack,
        "log_prints": task.log_prints,
    }


def _parameter(parameter: Parameter) -> str:
    """The parameter as the source has it: postponed annotations are texts, and would show quotes."""
    shown, annotation = str(parameter), parameter.annotation
    return shown.replace(repr(annotation), annotation, 1) if isinstance(annotation, str) else shown


@command.command("check")
@json_option
@pass_session
def check(session: Session, /, as_json: bool) -> None:
    """
    List unfinished jobs that this version of the application cannot run.

    Their arguments no longer fit the task, or there is no such task. Run it before a deploy: a worker would suspend
    the former and leave the latter queued. Exits with 1 if there are any.

    \b
    Examples:
      jobyard --app shop.jobs task check
    """
    from jobyard.yard.misfits import misfits

    found = list(misfits(session.app()))
    if as_json:
        output.print_json(found)
    else:
        table = output.table("id", "status", "task", "problem", cut="problem", right=("id",))
        for misfit in found:
            table.add_row(str(misfit.id), misfit.status, cell(misfit.task), cell(misfit.problem))
        output.show_table(table, empty="all unfinished jobs fit the tasks")
    if found:
        raise click.exceptions.Exit(FAILED)
