"""Modules and what is in them, by the names that other processes know them by."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["imported", "module_name"]


def module_name(module: str) -> str:
    """The name by which other processes import the module, which for a script is not ``__main__``."""
    if module not in ("__main__", "__mp_main__"):
        return module
    main = sys.modules[module]
    if spec := getattr(main, "__spec__", None):
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else module


def imported(name: str) -> object:
    """What is known by a name, ``module:Name.Of.It``, without running anything to find it; None if nothing is."""
    module, _, path = name.partition(":")
    found: object = sys.modules.get(module)
    if found is None and module == module_name("__main__"):
        found = sys.modules["__main__"]
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found
