"""When the runs of a worker that stops are canceled and given up; what comes of them is in test_worker_claiming.py."""

from __future__ import annotations

from tests.support import eventually

from jobyard.worker.stop import Stop


def test_nobody_is_canceled_before_it_is_told():
    stop = Stop(shutdown_grace=0, cancel_grace=0)

    assert (stop.told, stop.cancels(), stop.is_over) == (0, None, False)


def test_runs_are_canceled_once_when_the_grace_is_over():
    stop = Stop(shutdown_grace=0.05, cancel_grace=3)
    stop.tell(1)
    assert stop.cancels() is None

    assert eventually(stop.cancels) == 3
    assert (stop.cancels(), stop.is_over) == (None, False)


def test_told_twice_they_are_canceled_at_once_without_a_grace():
    stop = Stop(shutdown_grace=60, cancel_grace=3)
    stop.tell(1)
    stop.tell(2)

    assert (stop.told, stop.cancels(), stop.cancels()) == (2, 0.0, None)


def test_who_is_told_by_two_does_not_forget_the_second_time():
    stop = Stop(shutdown_grace=60, cancel_grace=3)
    stop.tell(2)
    stop.tell(1)

    assert stop.told == 2
