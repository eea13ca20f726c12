"""How tasks are made."""

import pytest
from tests.task.yards import Desk

from jobyard.errors import BadArguments, UsageError
from jobyard.task import Decorator, Registry


@pytest.fixture
def tasks() -> Registry:
    return Registry()


@pytest.fixture
def task(tasks) -> Decorator:
    return Decorator(tasks, Desk())


def double(n: int) -> int:
    return 2 * n


def triple(n: int) -> int:
    return 3 * n


def test_it_is_used_bare_or_with_options(task, tasks):
    bare = task(double)
    made = task(queue="numbers", aliases=["old"])(triple)

    assert (bare(2), made(2)) == (4, 6)
    assert (bare.queue, made.queue) == ("default", "numbers")
    assert tasks.get(bare.name) is bare
    assert tasks.get("old") is made


def test_options_are_checked_where_they_are_written(task):
    with pytest.raises(BadArguments, match="queue="):
        task(queue="")
    with pytest.raises(TypeError, match="colour"):
        task(colour="red")


def test_a_taken_name_is_refused_and_the_first_stays(task, tasks):
    first = task(name="n")(double)

    with pytest.raises(UsageError, match="taken"):
        task(name="n")(triple)

    assert tasks.get("n") is first
