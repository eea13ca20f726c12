"""jobyard: durable jobs for Python, on one SQLite file or on PostgreSQL."""

from jobyard.context import ctx
from jobyard.model.job import Job
from jobyard.model.references import retval
from jobyard.model.retry import Retry
from jobyard.yard import NO_CHANGE, Yard
