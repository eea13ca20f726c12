"""`AsyncYard`: the verbs of a yard, awaited."""

from jobyard.aio.definitions import AsyncDefinitions
from jobyard.aio.job import AsyncJob
from jobyard.aio.machines import AsyncMachines
from jobyard.aio.workflow import AsyncWorkflow
from jobyard.aio.yard import AsyncQueues, AsyncWorker, AsyncYard

__all__ = ["AsyncDefinitions", "AsyncJob", "AsyncMachines", "AsyncQueues", "AsyncWorker", "AsyncWorkflow", "AsyncYard"]
