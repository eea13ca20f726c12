"""A name means one function."""

import threading

import pytest
from tests.task.yards import Desk

from jobyard.errors import UnknownTask, UsageError
from jobyard.task import Registry


def thumbnail() -> int:
    return 1


def picture() -> int:
    return 2


def registered(*tasks) -> Registry:
    registry = Registry()
    for task in tasks:
        registry.add(task)
    return registry


def make(function=thumbnail, **options):
    return Desk().task(**options)(function)


def test_a_task_is_found_by_its_name_and_its_aliases():
    task = make(name="new", aliases=["old", "older"])

    registry = registered(task)

    assert [registry.get(name) for name in ("new", "old", "older")] == [task, task, task]
    assert registry.names() == ["new"]
    assert set(registry.known) == {"new", "old", "older"}
    assert list(registry) == [task]
    assert len(registry) == 1
    assert "old" in registry
    assert "oldest" not in registry


def test_the_same_function_again_replaces_the_task():
    """A reloaded module defines its functions anew."""
    first, second = make(name="t", aliases=["a", "b"]), make(name="t", aliases=["b"])

    registry = registered(first, second)

    assert registry.get("t") is second
    assert registry.get("b") is second
    assert "a" not in registry


def test_another_function_under_a_taken_name_is_refused():
    registry = registered(make(name="t", aliases=["a"]))

    with pytest.raises(UsageError, match=r"'t' is taken by .*:thumbnail"):
        registry.add(make(picture, name="t"))
    with pytest.raises(UsageError, match="'a' is taken"):
        registry.add(make(picture, name="p", aliases=["a"]))

    assert set(registry.known) == {"t", "a"}
    assert registry.get("a").function is thumbnail


def test_one_function_may_have_two_names():
    registry = registered(make(name="a"), make(name="b"))

    assert registry.names() == ["a", "b"]


def test_an_unknown_name_is_answered_with_those_like_it():
    registry = registered(make(name="shop.images:thumbnail"), make(picture, name="shop.images:picture"))

    with pytest.raises(UnknownTask, match=r"'thumbnail'.*did you mean 'shop.images:thumbnail'\?"):
        registry.get("thumbnail")
    with pytest.raises(UnknownTask, match=r"did you mean 'shop\.images:picture'"):
        registry.get("shop.images:pictures")
    with pytest.raises(UnknownTask, match=r"registered are shop\.images:picture, shop\.images:thumbnail"):
        registry.get("zzz")
    with pytest.raises(UnknownTask, match="registered are none"):
        Registry().get("x")


def test_the_view_of_known_names_grows_and_cannot_be_written():
    registry = Registry()
    known = registry.known

    registry.add(make(name="t"))

    assert list(known) == ["t"]
    with pytest.raises(TypeError):
        known["x"] = known["t"]


def test_threads_register_at_once_and_none_is_lost():
    registry = Registry()
    threads = [
        threading.Thread(target=lambda k=k: [registry.add(make(name=f"{k}-{i}")) for i in range(50)]) for k in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(registry) == 200
