"""What is counted in one source file."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["UNPARSABLE", "FileCount", "count_source"]

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What `ast.parse` raises at a file that it cannot read; a too deeply nested one exhausts its stack."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (ast.Module, ast.ClassDef, *_FUNCTIONS)
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True, slots=True)
class FileCount:
    """The figures of one file."""

    path: str
    """Relative to the library."""
    lines: int
    functions: int
    classes: int
    docstrings: int
    nesting: int
    """How many blocks the deepest statement is in."""

    @property
    def documentable(self) -> int:
        """What could have a docstring: the module, its classes and functions."""
        return 1 + self.functions + self.classes


def count_source(path: str, source: bytes, *, file: str) -> FileCount:
    """
    Count what is in a source file.

    Args:
        path: what the figures are kept under.
        file: what an error names.

    Raises:
        SyntaxError: or another of `UNPARSABLE`; the file does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes, of which old tests are full
        tree = ast.parse(source, filename=file)
    nodes = list(_statements(tree))
    return FileCount(
        path,
        lines=source.count(b"\n") + (source[-1:] not in (b"", b"\n")),
        functions=sum(isinstance(node, _FUNCTIONS) for node, _ in nodes),
        classes=sum(isinstance(node, ast.ClassDef) for node, _ in nodes),
        docstrings=sum(
            isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None for node, _ in nodes
        ),
        nesting=max(depth for _, depth in nodes),
    )


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, int]]:
    """The module and all statements, with the number of blocks around each; without the expressions, which are many."""
    stack: list[tuple[ast.AST, int]] = [(tree, -1)]
    while stack:
        node, depth = stack.pop()
        yield node, max(depth, 0)
        for name in _BLOCKS:
            inside = getattr(node, name, None)
            if isinstance(inside, list):
                stack.extend((child, depth + _is_deeper(node, child)) for child in inside)


def _is_deeper(node: ast.AST, child: ast.AST) -> bool:
    """An ``elif`` is an ``if`` inside an ``else`` to the parser only, and ``except`` stands where its ``try`` does."""
    if isinstance(child, ast.ExceptHandler):
        return False
    return not (isinstance(node, ast.If) and isinstance(child, ast.If) and child.col_offset == node.col_offset)
