"""What runs jobs: a claimer, which alone opens the store, and hosts with slots, which never do."""

from jobyard.worker.tally import Summary
from jobyard.worker.worker import Worker

__all__ = ["Summary", "Worker"]
