"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import inspect
from importlib.metadata import version as version_of

from sphinx.application import Sphinx

import jobyard

project = "jobyard"
copyright = "jobyard contributors"
version = release = version_of("jobyard")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

default_role = "code"  # single backticks in docstrings are code, as in Markdown
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "jobyard"
html_copy_source = False


def _directive(name: str) -> str:
    thing = getattr(jobyard, name)
    if inspect.isclass(thing):
        # What comes from the standard library (of an enum all of str) is described there.
        foreign = ", ".join(base.__name__ for base in thing.__mro__ if not base.__module__.startswith("jobyard"))
        return f".. autoclass:: jobyard.{name}\n   :members:\n   :undoc-members:\n   :inherited-members: {foreign}\n"
    return f".. {'autofunction' if inspect.isroutine(thing) else 'autodata'}:: jobyard.{name}\n"


def _block(names: list[str]) -> str:
    return "```{eval-rst}\n" + "\n".join(map(_directive, names)) + "\n```"


def _fill_in_the_names(app: Sphinx, page: str, source: list[str]) -> None:
    """The reference has every public name, whoever added it, without a list of its own."""
    if page == "reference":
        names = sorted(getattr(jobyard, "__all__", []), key=str.lower)
        errors = [n for n in names if inspect.isclass(c := getattr(jobyard, n)) and issubclass(c, BaseException)]
        others = [n for n in names if n not in errors]
        source[0] = source[0].replace("{{ names }}", _block(others)).replace("{{ errors }}", _block(errors))


def setup(app: Sphinx) -> None:
    app.connect("source-read", _fill_in_the_names)
