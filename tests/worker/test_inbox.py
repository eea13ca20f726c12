"""When the claimer is woken, and when it lets messages come together."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support import eventually

from jobyard.model.messages import Ended, Enqueue, Outcome
from jobyard.worker.inbox import Inbox

LONG = 60.0
"""Seconds that no test waits in vain."""


def outcome(id=1, **fields):
    return Outcome(id, 1, 0, Ended.RETURNED, **fields)


def gathering(inbox, most):
    """A reader that sleeps until there are so many messages."""
    reader = threading.Thread(target=inbox.gather, args=(most, LONG), daemon=True)
    reader.start()
    return reader


@pytest.fixture
def inbox():
    """One whose reader has looked at the store, and that has a message."""
    inbox = Inbox()
    inbox.seen()
    inbox.send([outcome()])
    return inbox


def test_outcomes_wait_for_each_other(inbox):
    reader = gathering(inbox, 3)
    eventually(lambda: inbox._asleep)
    inbox.send([outcome(2), outcome(3)])
    reader.join(10)

    assert not reader.is_alive()
    assert [message.id for message in inbox.take(10)] == [1, 2, 3]


def test_one_outcome_more_wakes_nobody_who_waits_for_several(inbox):
    def send():
        eventually(lambda: inbox._asleep)
        inbox.send([outcome(2)])

    sender = threading.Thread(target=send)
    sender.start()
    began = time.monotonic()
    inbox.gather(3, 0.2)
    sender.join()

    assert time.monotonic() - began >= 0.2
    assert [message.id for message in inbox.take(10)] == [1, 2]


@pytest.mark.parametrize(
    "message", [outcome(2, awaited=True), Enqueue(2, 1, 1, b"")], ids=["its slot waits", "its task waits"]
)
def test_what_somebody_waits_for_does_not_wait(inbox, message):
    reader = gathering(inbox, 100)
    eventually(lambda: inbox._asleep)
    inbox.send([message])
    reader.join(10)

    assert not reader.is_alive()
    inbox.gather(100, LONG)  # returns at once: the message is still there
    assert inbox.take(10)[-1] is message


def test_a_wake_up_ends_the_gathering(inbox):
    reader = gathering(inbox, 100)
    eventually(lambda: inbox._asleep)
    inbox.wake()
    reader.join(10)

    assert not reader.is_alive()
    assert not inbox.seen()


def test_nothing_is_waited_for_without_a_first_message():
    inbox = Inbox()
    inbox.seen()
    inbox.gather(100, LONG)


def test_the_first_message_waits_no_longer_than_it_is_told(inbox):
    began = time.monotonic()
    inbox.gather(100, 0.01)

    assert 0.01 <= time.monotonic() - began < LONG
