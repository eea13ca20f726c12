"""``AsyncYard.definitions``: the same verbs, awaited."""

from __future__ import annotations

import asyncio
import inspect

from jobyard import AsyncYard
from jobyard.aio import AsyncDefinitions
from jobyard.definitions import Definitions

FOR_JOBYARD = {"arguments_of", "interval_of", "is_running", "job_of", "log_of", "outdated_of", "results_of"}
"""What definitions use of the catalog that they came from."""


def verbs(cls):
    found = {name: value for name, value in vars(cls).items() if inspect.isfunction(value) and name[0] != "_"}
    return {name: list(inspect.signature(value).parameters.items()) for name, value in found.items()}


def test_both_have_the_same_verbs():
    assert set(verbs(AsyncDefinitions)) == set(verbs(Definitions)) - FOR_JOBYARD
    for name, parameters in verbs(AsyncDefinitions).items():
        names = [(key, each.kind, each.default) for key, each in parameters]
        assert names == [(key, each.kind, each.default) for key, each in verbs(Definitions)[name]], name


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
