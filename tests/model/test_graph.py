"""Cycles, order and age in the graph of definitions."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobyard.model.graph import cycles, dependants, in_order, outdated

DIAMOND = {"top": ["left", "right"], "left": ["base"], "right": ["base"]}


def test_cycles_are_whole():
    assert cycles({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == [["a", "b", "c", "a"]]
    assert cycles({"a": ["a"]}) == [["a", "a"]]
    assert cycles(DIAMOND) == []


def test_a_chain_may_be_longer_than_the_stack_of_python():
    chain = {f"d{index}": [f"d{index + 1}"] for index in range(5000)}

    assert cycles(chain) == []
    assert in_order(chain, ["d0"])[0] == "d5000"
    assert outdated(chain, {f"d{index}": 1 for index in range(5001)}, ["d0"]) == {"d0": False}


def test_the_order_is_that_of_the_names_given_behind_their_dependencies():
    assert in_order(DIAMOND, ["top"]) == ["base", "left", "right", "top"]
    assert in_order(DIAMOND, ["right", "left"]) == ["base", "right", "left"]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_what_has_no_cycle_can_be_ordered_and_the_rest_has_one(pairs):
    edges: dict[str, list[str]] = {}
    for name, dependency in pairs:
        edges.setdefault(str(name), []).append(str(dependency))

    for cycle in cycles(edges):
        assert cycle[0] == cycle[-1]
        assert all(after in edges[before] for before, after in pairwise(cycle))
    if not cycles(edges):
        order = in_order(edges, edges)
        assert all(order.index(dep) < order.index(name) for name, deps in edges.items() for dep in deps)
        assert len(order) == len(set(order))


def test_dependants_are_the_edges_turned_round():
    assert dependants(DIAMOND) == {"left": ["top"], "right": ["top"], "base": ["left", "right"]}


def test_outdated_has_three_values():
    assert outdated(DIAMOND, {"base": 1, "left": 2, "right": 2, "top": 3}, ["top", "left"]) == {
        "top": False,
        "left": False,
    }
    assert outdated(DIAMOND, {"base": 5, "left": 2, "right": 6, "top": 7}, ["top", "left", "right"]) == {
        "top": True,
        "left": True,
        "right": False,
    }
    assert outdated(DIAMOND, {"base": 1, "left": None, "right": 2, "top": 3}, ["top", "left"]) == {
        "top": None,
        "left": None,
    }
