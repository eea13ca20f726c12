"""The documentation tells what the code does."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from tests.walk import blocks, walk

import jobyard
from jobyard import errors
from jobyard.cli import cli
from jobyard.config import SETTINGS
from jobyard.model import events
from jobyard.task import CallKeywords, TaskKeywords

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("guide/*.md"), *DOCS.glob("internals/*.md")])
WALKED = [page for page in PAGES if any(block.language in ("pycon", "console") for block in blocks(page))]


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).with_suffix("").as_posix()


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def draw_states() -> ModuleType:
    return script("draw_states")


@pytest.fixture(scope="module")
def draw_guide() -> ModuleType:
    return script("draw_guide")


@pytest.fixture(scope="module")
def guide() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def test_the_page_of_states_is_drawn_from_the_table(draw_states):
    """After a change to the states: `make fix`."""
    assert (DOCS / "internals" / "states.md").read_text(encoding="utf-8") == draw_states.page()


def test_the_picture_of_states_is_drawn_from_the_table(draw_states):
    assert (DOCS / "internals" / "states.svg").read_text(encoding="utf-8") == draw_states.picture()


def test_every_transition_says_when_it_happens(draw_states):
    """And nothing is said about one that does not exist."""
    assert set(draw_states.WHEN) == set(draw_states.edges())


@pytest.mark.parametrize("page", ["configuration.md", "cli.md"])
def test_the_tables_of_the_guide_are_drawn_from_the_code(draw_guide, page):
    """After a change to the settings or the command line: `make fix`."""
    assert (DOCS / "guide" / page).read_text(encoding="utf-8") == draw_guide.drawn(page)


def test_every_command_has_an_example(draw_guide):
    commands = draw_guide.walk(cli, click.Context(cli, info_name="jobyard"))

    assert [path for path, command in commands if "Examples:" not in (command.help or "")] == []


def test_every_option_is_explained(draw_guide):
    commands = draw_guide.walk(cli, click.Context(cli, info_name="jobyard"))

    assert [
        (path, option.name) for path, command in commands for option in draw_guide.options(command) if not option.help
    ] == []


def test_every_setting_is_on_the_page_of_settings():
    page = (DOCS / "guide" / "configuration.md").read_text(encoding="utf-8")

    assert [name for name in SETTINGS if f"`{name}`" not in page] == []


def test_every_happening_is_on_the_page_of_events():
    page = (DOCS / "guide" / "events.md").read_text(encoding="utf-8")

    names = {name for name in events.__all__ if issubclass(getattr(events, name), events.Happening)}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_every_error_and_name_is_in_the_reference():
    """The reference is made of these names, so each needs a docstring that says something."""
    assert set(errors.__all__) <= set(jobyard.__all__)
    undocumented = [
        name for name in jobyard.__all__ if isinstance(thing := getattr(jobyard, name), type) and not thing.__doc__
    ]
    assert undocumented == []


def test_every_option_of_tasks_and_calls_is_in_the_guide():
    tasks = (DOCS / "guide" / "tasks.md").read_text(encoding="utf-8")
    jobs = (DOCS / "guide" / "jobs.md").read_text(encoding="utf-8")

    assert [name for name in TaskKeywords.__annotations__ if f"`{name}`" not in tasks] == []
    assert [name for name in CallKeywords.__annotations__ if f"`{name}`" not in jobs] == []


@pytest.mark.parametrize("page", WALKED, ids=name_of)
def test_what_a_page_shows_happens(page, tmp_path):
    assert walk(page, tmp_path) > 0


def test_the_pages_that_show_something_are_walked():
    assert {"tutorial", "guide/tasks", "guide/jobs", "guide/workers", "guide/transactions"} <= set(map(name_of, WALKED))


def commands_in(page: Path) -> Iterator[tuple[str, list[str]]]:
    for block in blocks(page):
        if block.language in ("sh", "console"):
            for line in block.code.replace("\\\n", " ").splitlines():
                words = line.removeprefix("$ ")
                if words.startswith("jobyard "):
                    yield block.where, shlex.split(words, comments=True)[1:]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_command_shown_is_one(page, monkeypatch):
    """It is parsed, with all its options, and not run."""
    monkeypatch.setattr(click.Command, "invoke", lambda command, context: None)

    for where, words in commands_in(page):
        own = list(itertools.takewhile(lambda word: word not in ("|", "<", ">"), words))
        try:
            cli.main(own, prog_name="jobyard", standalone_mode=False)
        except click.UsageError as error:
            pytest.fail(f"{where}: {shlex.join(own)}: {error.format_message()}")


def test_every_link_leads_to_a_page():
    """No page links to one that is not there."""
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert page.parent.joinpath(link).exists(), f"{name_of(page)} links to {link}"


FILES = re.compile(r"`((?:src/jobyard/|tests/|docs/|bench/|examples/)?[\w/]+\.(?:py|sql|md))`")


@pytest.mark.parametrize("page", sorted(DOCS.glob("internals/*.md")), ids=name_of)
def test_files_named_by_the_internals_exist(page):
    places = (
        ROOT,
        ROOT / "src" / "jobyard",
        ROOT / "src" / "jobyard" / "store",
        ROOT / "src" / "jobyard" / "store" / "sqlite",
    )

    named = FILES.findall(page.read_text(encoding="utf-8"))

    assert [name for name in named if not any((place / name).exists() for place in places)] == []


STEP = re.compile(r"^\| `([\w/]+\.(?:py|sql))` \| ((?:`\w+`(?:, )?)+) \|", re.MULTILINE)


def steps() -> Iterator[tuple[Path, str]]:
    """What the page on the life of a job says to read."""
    text = (DOCS / "internals" / "life-of-a-job.md").read_text(encoding="utf-8")
    for file, names in STEP.findall(text):
        for name in re.findall(r"\w+", names):
            yield ROOT / "src" / "jobyard" / file, name


def length_of(file: Path, name: str) -> int:
    """The lines of a function, a class or a statement; 0 if there is none of that name."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".sql":
        found = re.search(rf"^-- name: {name}\n(.*?)(?=^-- name|\Z)", text, re.MULTILINE | re.DOTALL)
        return found[0].count("\n") if found else 0
    named = (ast.FunctionDef, ast.ClassDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, named) and node.name == name]
    return max(((node.end_lineno or 0) - node.lineno + 1 for node in nodes), default=0)


def test_the_life_of_a_job_leads_to_what_is_there():
    assert [(file.name, name) for file, name in steps() if not length_of(file, name)] == []


def test_the_life_of_a_job_can_be_read_in_one_sitting():
    assert sum(length_of(file, name) for file, name in steps()) < 1200
