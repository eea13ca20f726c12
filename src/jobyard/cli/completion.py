"""``jobyard completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from jobyard.cli import output
from jobyard.cli.command import Command

__all__ = ["command"]


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """
    Print what makes a shell complete jobyard's commands and options.

    Names of tasks, queues, definitions and machines are completed too, from your application and the newest jobs.

    \b
    Examples:
      eval "$(jobyard completion bash)"                                  in ~/.bashrc
      eval "$(jobyard completion zsh)"                                   in ~/.zshrc
      jobyard completion fish > ~/.config/fish/completions/jobyard.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # click has all three
    output.line(made(ctx.find_root().command, {}, "jobyard", "_JOBYARD_COMPLETE").source())
