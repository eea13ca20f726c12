"""Options win in the order call, task, queue; if nobody says anything, the yard's."""

from dataclasses import dataclass

import pytest

from jobyard.model.newjob import JobOptions
from jobyard.model.retry import NO_RETRY, Retry
from jobyard.task import Policy, TaskOptions, resolve_policy


@dataclass
class Queue:
    retry: Retry | None = None
    timeout: float | None = None


@pytest.mark.parametrize(
    ("call", "task", "queue", "expected"),
    [(2, 3, 4, 2), (None, 3, 4, 3), (None, None, 4, 4), (2, None, None, 2)],
)
def test_the_first_that_says_something_wins(call, task, queue, expected):
    policy = resolve_policy(
        TaskOptions(retry=task and Retry(task), timeout=task),
        JobOptions(retry=call and Retry(call), timeout=call),
        Queue(queue and Retry(queue), queue),
    )

    assert (policy.retry, policy.timeout) == (Retry(expected), expected)


def test_nobody_says_anything():
    assert resolve_policy(TaskOptions(), None, None) == Policy(NO_RETRY, None, None, None, None)
    assert resolve_policy(TaskOptions(), JobOptions(), Queue()) == Policy(NO_RETRY, None, None, None, None)


def test_isolation_and_limits_are_the_call_s_or_the_task_s():
    task = TaskOptions(isolation="process", memory_limit=2**20, heartbeat_timeout=9)

    policy = resolve_policy(task, JobOptions(memory_limit=2**30), Queue())

    assert policy == Policy(NO_RETRY, None, 9, "process", 2**30)
