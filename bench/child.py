"""
The process that a step runs in: ``python -m bench.child CALL URL ARGUMENTS``.

Its figures leave as one line of JSON on the real stdout. What the subject prints goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import cast

__all__ = ["main", "resolve"]


def resolve(call: str) -> Callable[..., dict[str, float] | None]:
    """The function that ``module:function`` names."""
    module, _, name = call.partition(":")
    return cast("Callable[..., dict[str, float] | None]", getattr(importlib.import_module(module), name))


def main() -> None:
    """Make the one call and write down what it gives."""
    call, url, arguments = sys.argv[1:]
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Before the import: `bench.app` takes its store from here, as any app does.
    os.environ["JOBYARD_URL"] = url
    figures = resolve(call)(url, **json.loads(arguments))
    with answer:
        json.dump(figures or {}, answer)


if __name__ == "__main__":
    main()
