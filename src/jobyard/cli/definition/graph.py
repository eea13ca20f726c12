"""``jobyard definition graph``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from jobyard.cli import output
from jobyard.cli.command import Command
from jobyard.cli.definition.listing import BUILD_STYLES
from jobyard.cli.names import DEFINITIONS
from jobyard.cli.session import Session, pass_session
from jobyard.model.graph import dependants, in_order

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from jobyard.definitions.overview import Overview

__all__ = ["graph"]

_COLOURS = {"success": "palegreen", "outdated": "orange", "failed": "salmon", "not_built": "lightgrey"}


@click.command(cls=Command)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=DEFINITIONS)
@click.option(
    "--format", "kind", type=click.Choice(["tree", "dot", "mermaid"]), default="tree", show_default=True,
    help="A tree for people, or the text that Graphviz or Mermaid draws.",
)  # fmt: skip
@pass_session
def graph(session: Session, /, names: tuple[str, ...], kind: str) -> None:
    """
    Show what depends on what: of these definitions with all below them, by default of all.

    \b
    Examples:
      jobyard definition graph
      jobyard definition graph report --format dot | dot -Tsvg > report.svg
    """
    yard = session.yard()
    for name in names:
        yard.definitions.get(name)
    found = {each.definition.name: each for each in yard.definitions.overview(1)}
    edges = {name: [*each.definition.dependencies] for name, each in found.items()}
    chosen = {name: found[name] for name in in_order(edges, names or found) if name in found}
    if kind == "dot":
        output.line(_dot(chosen))
    elif kind == "mermaid":
        output.line(_mermaid(chosen))
    else:
        above = dependants(edges)
        _show_trees(chosen, names or tuple(name for name in found if name not in above))


def _dot(chosen: dict[str, Overview]) -> str:
    lines = ["digraph definitions {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled"];']
    lines += [f"  {json.dumps(name)} [fillcolor={_COLOURS[each.status]}];" for name, each in chosen.items()]
    lines += [
        f"  {json.dumps(dependency)} -> {json.dumps(name)};"
        for name, each in chosen.items()
        for dependency in each.definition.dependencies
    ]
    return "\n".join([*lines, "}"])


def _mermaid(chosen: dict[str, Overview]) -> str:
    ids = {name: f"d{number}" for number, name in enumerate(chosen, 1)}
    lines = ["graph LR"]
    lines += [f"  {ids[name]}[{_quoted(name)}]:::{each.status}" for name, each in chosen.items()]
    lines += [
        f"  {ids[dependency]} --> {ids[name]}"
        for name, each in chosen.items()
        for dependency in each.definition.dependencies
        if dependency in ids
    ]
    used = dict.fromkeys(each.status for each in chosen.values())
    lines += [f"  classDef {status} fill:{_COLOURS[status]}" for status in used]
    return "\n".join(lines)


def _quoted(name: str) -> str:
    escaped = name.replace("&", "#amp;").replace('"', "#quot;")
    return f'"{escaped}"'


def _show_trees(chosen: dict[str, Overview], roots: tuple[str, ...]) -> None:
    from rich.tree import Tree

    shown: set[str] = set()
    for root in roots:
        tree = Tree(_label(chosen[root], repeated=False), guide_style="dim")
        _grow(tree, root, chosen, shown)
        output.show(tree)
    if not roots:
        output.warn("no definitions")


def _grow(tree: Tree, root: str, chosen: dict[str, Overview], shown: set[str]) -> None:
    """Add what is below *root*; what stands below a definition is shown once, also in a diamond."""
    left = [(tree, root)]
    while left:
        branch, name = left.pop()
        shown.add(name)
        for dependency in chosen[name].definition.dependencies:
            if (each := chosen.get(dependency)) is not None:
                repeated = dependency in shown and bool(each.definition.dependencies)
                below = branch.add(_label(each, repeated=repeated))
                if not repeated:
                    left.append((below, dependency))
                    shown.add(dependency)


def _label(each: Overview, *, repeated: bool) -> Text:
    from rich.text import Text

    words = each.status.replace("_", " ")
    label = Text.assemble(each.definition.name, " ", (words, BUILD_STYLES[each.status]))
    return label.append(" …", style="dim") if repeated else label
