"""Happenings and who is told of them."""

from __future__ import annotations

import logging
from dataclasses import FrozenInstanceError, fields

import pytest

from jobyard.model import events
from jobyard.model.emitter import Emitter
from jobyard.model.events import Happening, JobFinished, JobRetried, JobsClaimed, StaleWrite, StoreRetry

RETRY = StoreRetry("claim", "the file is locked", 0.5)
STALE = StaleWrite(7, 3, "result")


def test_subscribers_get_what_they_asked_for_in_order() -> None:
    emitter = Emitter()
    told: list[tuple[str, Happening]] = []
    emitter.on(StoreRetry, lambda happening: told.append(("first", happening)))
    emitter.on(Happening, lambda happening: told.append(("all", happening)))

    emitter.emit(RETRY)
    emitter.emit(STALE)

    assert told == [("first", RETRY), ("all", RETRY), ("all", STALE)]


def test_an_emitter_knows_whether_anybody_wants_it() -> None:
    emitter = Emitter()
    assert not emitter.wants(StoreRetry)

    end = emitter.on(StoreRetry, lambda happening: None)

    assert emitter.wants(StoreRetry)
    assert not emitter.wants(StaleWrite)
    end()
    assert not emitter.wants(StoreRetry)


def test_one_of_two_equal_subscriptions_can_be_ended() -> None:
    emitter = Emitter()
    told: list[Happening] = []
    end = emitter.on(StoreRetry, told.append)
    emitter.on(StoreRetry, told.append)

    end()
    end()
    emitter.emit(RETRY)

    assert told == [RETRY]


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1)])
def test_a_subscriber_that_raises_is_logged_and_stops_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(happening: Happening) -> None:
        raise error

    emitter = Emitter()
    told: list[Happening] = []
    emitter.on(StoreRetry, fail)
    emitter.on(StoreRetry, told.append)

    emitter.emit(RETRY)

    assert told == [RETRY]
    assert "a subscriber to StoreRetry failed" in caplog.text
    assert type(error).__name__ in caplog.text


def test_a_subscription_made_by_a_subscriber_counts_from_the_next_time() -> None:
    emitter = Emitter()
    told: list[Happening] = []
    emitter.on(StoreRetry, lambda happening: emitter.on(StoreRetry, told.append) and None)

    emitter.emit(RETRY)
    assert told == []
    emitter.emit(RETRY)

    assert told == [RETRY]


def test_happenings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RETRY.delay = 3.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("happening", "line", "level"),
    [
        (RETRY, "claim failed, again in 0.5 s: the file is locked", logging.WARNING),
        (STALE, "job 7: a late result of epoch 3 was dropped", logging.WARNING),
        (JobsClaimed("ann", (1, 2), 0.001), "ann claimed 2 jobs in 0.0010 s", logging.DEBUG),
        (JobFinished(1, "q", "m:f", "succeeded", 1, 0.25), "job 1 (m:f) succeeded after 0.250 s", logging.INFO),
        (JobFinished(1, "q", "m:f", "canceled", 1, 0.0), "job 1 (m:f) canceled", logging.INFO),
        (
            JobFinished(1, "q", "m:f", "failed", 1, 0.25, "ValueError: {bad}"),
            "job 1 (m:f) failed after 0.250 s: ValueError: {bad}",
            logging.INFO,
        ),
        (
            JobRetried(1, "q", "m:f", 2, 17.2, "ValueError: bad"),
            "job 1 (m:f) failed in attempt 2, next in 17 s: ValueError: bad",
            logging.WARNING,
        ),
    ],
)
def test_each_has_a_line_for_the_log(happening: Happening, line: str, level: int) -> None:
    assert (str(happening), happening.level) == (line, level)


def test_every_happening_can_be_told_as_a_line() -> None:
    kinds = [getattr(events, name) for name in events.__all__]
    concrete = [kind for kind in kinds if issubclass(kind, Happening) and kind is not Happening]
    samples = {"str": "x", "int": 1, "float": 0.5, "bool": True}

    for kind in concrete:
        values = {field.name: samples.get(field.type, ()) for field in fields(kind)}
        assert str(kind(**values))
        assert kind.template
