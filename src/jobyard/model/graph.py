"""Definitions and what they depend on: cycles, order, and whose results are older than what they were made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Edges", "cycles", "dependants", "in_order", "outdated"]

Edges = Mapping[str, Sequence[str]]
"""The direct dependencies of each definition; one without an entry has none."""


def cycles(edges: Edges) -> list[list[str]]:
    """
    The definitions that wait for themselves: of each knot of them one whole cycle, such as ``[a, b, a]``.

    A walk without recursion, since a chain may be longer than Python's stack.
    """
    found: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        on_path: dict[str, int] = {}
        walks = [iter((start,))]
        while walks:
            name = next(walks[-1], None)
            if name is None:
                walks.pop()
                if path:
                    done.add(gone := path.pop())
                    del on_path[gone]
            elif name in on_path:
                found.append([*path[on_path[name] :], name])
            elif name not in done:
                on_path[name] = len(path)
                path.append(name)
                walks.append(iter(edges.get(name, ())))
    return found


def in_order(edges: Edges, names: Iterable[str]) -> list[str]:
    """
    *names* and all that they depend on, each behind its dependencies; otherwise in the order given.

    The graph has no cycles.
    """
    ordered: dict[str, None] = {}
    for start in names:
        walks = [(start, iter(edges.get(start, ())))]
        while walks:
            name, dependencies = walks[-1]
            following = next((each for each in dependencies if each not in ordered), None)
            if following is None:
                walks.pop()
                ordered[name] = None
            else:
                walks.append((following, iter(edges.get(following, ()))))
    return list(ordered)


def dependants(edges: Edges) -> dict[str, list[str]]:
    """The same edges the other way round: who depends directly on each."""
    found: dict[str, list[str]] = {}
    for name, dependencies in edges.items():
        for dependency in dependencies:
            found.setdefault(dependency, []).append(name)
    return found


def outdated(edges: Edges, built_at: Mapping[str, int | None], names: Iterable[str]) -> dict[str, bool | None]:
    """
    Whether the latest successful build of each of *names* is older than one of what it was made of, near or far.

    None where nobody can tell: the definition, or one that it depends on, near or far, has no successful build.

    Args:
        built_at: when the latest successful build of each ended.
    """
    known: dict[str, bool | None] = {}
    for name in in_order(edges, names):
        known[name] = _outdated(name, edges.get(name, ()), built_at, known)
    return {name: known[name] for name in names}


def _outdated(
    name: str, dependencies: Sequence[str], built_at: Mapping[str, int | None], known: Mapping[str, bool | None]
) -> bool | None:
    own = built_at.get(name)
    theirs = [built_at.get(dependency) for dependency in dependencies]
    if own is None or None in theirs:
        return None
    if any(at is not None and at > own for at in theirs):
        return True
    below = [known[dependency] for dependency in dependencies]
    return True if True in below else None if None in below else False
