"""The documentation tells what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def draw_states() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_states", DOCS / "draw_states.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_states_is_drawn_from_the_table(draw_states):
    """After a change to the states: `make fix`."""
    assert (DOCS / "internals" / "states.md").read_text(encoding="utf-8") == draw_states.page()


def test_the_picture_of_states_is_drawn_from_the_table(draw_states):
    assert (DOCS / "internals" / "states.svg").read_text(encoding="utf-8") == draw_states.picture()


def test_every_transition_says_when_it_happens(draw_states):
    """And nothing is said about one that does not exist."""
    assert set(draw_states.WHEN) == set(draw_states.edges())
