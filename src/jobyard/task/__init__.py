"""Tasks: what they are, what can be said about them, and how a call becomes a job that can be stored."""

from jobyard.task.decorator import Decorator
from jobyard.task.new import new_job
from jobyard.task.options import CallKeywords, CallOptions, Duration, TaskKeywords, TaskOptions
from jobyard.task.policy import Policy, QueueDefaults, resolve_policy
from jobyard.task.registry import Registry
from jobyard.task.task import CallableTask, Runnable, Task

__all__ = [
    "CallKeywords",
    "CallOptions",
    "CallableTask",
    "Decorator",
    "Duration",
    "Policy",
    "QueueDefaults",
    "Registry",
    "Runnable",
    "Task",
    "TaskKeywords",
    "TaskOptions",
    "new_job",
    "resolve_policy",
]
