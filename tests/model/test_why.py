"""Reasons why a job does not run, by table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobyard.model.states import FINAL, Status
from jobyard.model.why import Facts, ParentFacts, WorkerFacts, reasons

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000
SUCCESS = frozenset({Status.SUCCEEDED, Status.SKIPPED})

able = WorkerFacts("able", tasks={"shop:pack"})
elsewhere = WorkerFacts("elsewhere", queues={"mail"})
offline = WorkerFacts("offline", online=False)
ignorant = WorkerFacts("ignorant", queues={"images"}, tasks={"shop:other"})
busy = WorkerFacts("busy", running=2, concurrency=2)
parent = ParentFacts(4, "shop:fetch", Status.RUNNING, SUCCESS)


def facts(status: Status = Status.QUEUED, **changes: Any) -> Facts:
    known = {"job": 7, "queue": "images", "task": "shop:pack", "due": NOW, "now": NOW, "store": "/srv/jobyard.db"}
    return Facts(status=status, **(known | changes))


@pytest.mark.parametrize(
    ("known", "kinds"),
    [
        (facts(), ["no_worker"]),
        (facts(workers=[able]), []),
        (facts(workers=[elsewhere, offline]), ["no_worker"]),
        (facts(workers=[ignorant, elsewhere]), ["unknown_task"]),
        (facts(workers=[ignorant, able]), []),
        (facts(workers=[busy]), ["limit"]),
        (facts(workers=[busy, able]), []),
        (facts(workers=[able], paused=True), ["paused"]),
        (facts(workers=[busy], paused=True), ["paused"]),
        (facts(paused=True), ["paused", "no_worker"]),
        (facts(Status.SCHEDULED, due=NOW + MINUTE), ["due"]),
        (facts(Status.SCHEDULED, due=NOW + MINUTE, failures=2, last_error="ValueError: bad"), ["backoff"]),
        (facts(Status.SCHEDULED, due=NOW - MINUTE), ["no_worker"]),
        (facts(Status.QUEUED, due=NOW - MINUTE, failures=2, workers=[able]), []),
        (facts(Status.WAITING, parents=[parent], open_parents=1), ["dependency"]),
        (facts(Status.WAITING, parents=[parent], open_parents=9), ["dependency", "dependency"]),
        (facts(Status.WAITING, parents=[parent], open_parents=1, due=NOW + MINUTE), ["dependency", "due"]),
        (facts(Status.SUSPENDED, suspended="put aside", due=NOW + MINUTE, paused=True), ["suspended"]),
        *((facts(status, due=NOW + MINUTE, paused=True), []) for status in (Status.RUNNING, Status.CANCELING, *FINAL)),
    ],
)
def test_reasons(known: Facts, kinds: list[str]) -> None:
    found = reasons(known)

    assert [reason.kind for reason in found] == kinds
    for reason in found:
        assert "shop:pack" in reason.text
        assert "images" in reason.text
        assert json.loads(json.dumps(reason.data)) == reason.data
    assert [reason.text.endswith("The jobs lie in /srv/jobyard.db") for reason in found[-1:]] == [True] * bool(found)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (facts(), "The jobs lie in /srv/jobyard.db"),
        (facts(workers=[elsewhere]), "none is online for the queue, only others are (elsewhere)"),
        (facts(workers=[ignorant]), "of those on the queue (ignorant) none does"),
        (facts(workers=[busy]), "run 2 jobs, all they may"),
        (facts(Status.SCHEDULED, due=NOW + 90 * MINUTE), "is due at 2023-11-14 23:43:20+00:00, in 1.5 h"),
        (
            facts(Status.SCHEDULED, due=NOW + MINUTE, failures=2, last_error="ValueError: bad"),
            "in 1.0 m, after 2 failed attempts (ValueError: bad)",
        ),
        (
            facts(Status.WAITING, parents=[parent], open_parents=1),
            "waits for job 4 (shop:fetch), which is running, to be skipped or succeeded",
        ),
        (facts(Status.WAITING, parents=[parent] * 30, open_parents=10_000), "waits for 9980 more jobs"),
        (facts(Status.SUSPENDED, suspended="argument 'width' no longer fits"), "argument 'width' no longer fits"),
        (facts(Status.SUSPENDED), "is suspended until somebody resumes it"),
    ],
)
def test_texts_say_what_is_to_be_done(known: Facts, text: str) -> None:
    assert text in reasons(known)[-1].text


def test_the_data_of_a_dependency_names_the_job_and_the_ends_it_accepts() -> None:
    (reason,) = reasons(facts(Status.WAITING, parents=[parent], open_parents=1))

    assert reason.data == {
        "job": 4,
        "task": "shop:fetch",
        "status": "running",
        "accepted": ["skipped", "succeeded"],
    }
