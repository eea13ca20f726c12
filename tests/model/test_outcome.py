"""What becomes of a job when an op of its attempt ends: the whole table."""

from __future__ import annotations

import pytest

from jobyard.model.messages import Ended
from jobyard.model.outcome import Decision, decide
from jobyard.model.retry import Retry, class_name
from jobyard.model.states import TRANSITIONS, Status

ONCE = Retry(attempts=1)
AGAIN = Retry(attempts=3, delay=10, jitter=0)
RUNNING, CANCELING = Status.RUNNING, Status.CANCELING
ENDS = [value for name, value in vars(Ended).items() if name.isupper()]


def decided(ended, *, status=RUNNING, retry=AGAIN, error=Exception, **given):
    return decide(status, ended, retry=retry, types=[class_name(kind) for kind in error.__mro__], **given)


@pytest.mark.parametrize(
    ("ended", "decision"),
    [
        (Ended.RETURNED, Decision(Status.SUCCEEDED)),
        (Ended.SKIPPED, Decision(Status.SKIPPED)),
        (Ended.CANCELED, Decision(Status.CANCELED)),
        (Ended.SUSPENDED, Decision(Status.SUSPENDED, spent=False)),
        (Ended.UNFIT, Decision(Status.SUSPENDED, spent=False)),
        (Ended.DRAINED, Decision(Status.QUEUED, spent=False)),
        (Ended.UNKNOWN, Decision(Status.QUEUED, spent=False)),
        (Ended.RAISED, Decision(Status.SCHEDULED, delay=10, failed=True)),
        (Ended.TIMEOUT, Decision(Status.SCHEDULED, delay=10, failed=True)),
        (Ended.RETRY, Decision(Status.SCHEDULED, delay=10, failed=True)),
        (Ended.CRASHED, Decision(Status.QUEUED, crashed=True)),
    ],
)
def test_a_running_job_ends_or_goes_back(ended, decision):
    assert decided(ended) == decision


@pytest.mark.parametrize("ended", sorted({*ENDS} - {Ended.RETURNED, Ended.RAISED}))
def test_a_job_that_is_being_canceled_is_canceled_however_it_was_stopped(ended):
    assert decided(ended, status=CANCELING) == Decision(Status.CANCELED, requested=True)


def test_a_value_or_an_error_keeps_a_job_from_being_canceled():
    assert decided(Ended.RETURNED, status=CANCELING) == Decision(Status.SUCCEEDED)
    assert decided(Ended.RAISED, status=CANCELING) == Decision(Status.FAILED, failed=True)


@pytest.mark.parametrize("status", [RUNNING, CANCELING])
def test_an_op_that_returned_is_followed_by_the_next(status):
    assert decided(Ended.RETURNED, status=status, more=True) == Decision(RUNNING, advance=True)


@pytest.mark.parametrize("ended", [Ended.RAISED, Ended.TIMEOUT, Ended.RETRY])
def test_the_last_attempt_fails_the_job(ended):
    failed = Decision(Status.FAILED, failed=True)

    assert decided(ended, retry=ONCE) == failed
    assert decided(ended, failures=2) == failed
    assert decided(ended, failures=1).status is Status.SCHEDULED


def test_an_error_of_the_users_is_not_tried_again_unless_the_task_asks_for_it():
    assert decided(Ended.RAISED, user_error=True).status is Status.FAILED
    assert decided(Ended.RETRY, user_error=True).status is Status.SCHEDULED


def test_the_policy_says_which_errors_are_tried_again():
    retry = Retry(attempts=3, on=[OSError])

    assert decided(Ended.RAISED, retry=retry, error=OSError).status is Status.SCHEDULED
    assert decided(Ended.RAISED, retry=retry, error=KeyError).status is Status.FAILED
    assert decided(Ended.RETRY, retry=retry, error=KeyError).status is Status.SCHEDULED


def test_the_task_may_say_how_long_to_wait():
    assert decided(Ended.RETRY, delay=0.0).delay == 0.0
    assert decided(Ended.RETRY, delay=7.5).delay == 7.5


def test_the_last_crash_fails_the_job_as_poison():
    poison = Decision(Status.FAILED, crashed=True)

    assert decided(Ended.CRASHED, crashes=2) == poison
    assert decided(Ended.CRASHED, crashes=1).status is Status.QUEUED
    assert decided(Ended.CRASHED, max_crashes=1, retry=AGAIN) == poison


@pytest.mark.parametrize("ended", ENDS)
@pytest.mark.parametrize("status", [RUNNING, CANCELING])
def test_what_is_decided_is_in_the_table_of_transitions(status, ended):
    assert decided(ended, status=status).status in TRANSITIONS[status]
