"""``AsyncYard.definitions``: the same verbs, awaited."""

from __future__ import annotations

import asyncio

import pytest

from jobyard import AsyncYard, BadArguments


def test_a_definition_is_added_changed_and_steered(yard, shop):
    async def main():
        definitions = AsyncYard(yard).definitions
        await definitions.add("a", "note", [1], every="1h")
        await definitions.change("a", every="2h", user="bob")
        await definitions.pause("a")
        await definitions.resume("a")
        await definitions.request("a", "bob")
        requester = (await definitions.get("a")).job.requester
        await definitions.retire("a")
        found = [each.name for each in await definitions.list()]
        await definitions.delete("a")
        return requester, found, await definitions.dump()

    assert asyncio.run(main()) == ("bob", ["a"], "definitions: []\n")


def test_a_build_takes_the_pinned_one(yard, shop):
    async def main():
        awaited = AsyncYard(yard)
        await awaited.definitions.add("a", "note", [1])
        await awaited.definitions.add("b", "note", dependencies=["a"])
        pin = await awaited.definitions.build("a")
        planned = await awaited.definitions.planned("b", pins={"a": pin})
        await awaited.definitions.build("b", pins={"a": pin})
        with pytest.raises(BadArguments, match="give a mapping"):
            await awaited.definitions.build("b", pins=[pin])
        return planned

    assert asyncio.run(main()) == ["b"]
    assert [job.definition for job in yard.jobs(order="id")] == ["a", "b"]
