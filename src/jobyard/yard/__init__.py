"""The yard: where tasks are registered, jobs are stored and found, and workers come from."""

from jobyard.yard.changes import NO_CHANGE, Change
from jobyard.yard.queues import QueueInfo
from jobyard.yard.yard import Yard

__all__ = ["NO_CHANGE", "Change", "QueueInfo", "Yard"]
