"""``AsyncYard.definitions``: the same verbs, awaited."""

from __future__ import annotations

import asyncio

from jobyard import AsyncYard


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
