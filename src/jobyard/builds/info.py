"""A build as the dict that jobcontrol makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from jobyard.builds.config import Configs
from jobyard.builds.packing import bare
from jobyard.errors import UsageError
from jobyard.model.codec import Codec
from jobyard.model.instants import from_micros
from jobyard.model.rows import JobRow
from jobyard.model.states import FINAL, STATUSES, Status
from jobyard.model.traceback import RemoteError
from jobyard.store.builds import BuildDetails
from jobyard.task import Registry

__all__ = ["BuildInfo"]

_NOTHING = BuildDetails()


class BuildInfo:
    """Makes the dicts."""

    def __init__(self, configs: Configs, tasks: Registry, codec: Codec) -> None:
        self._configs = configs
        self._tasks = tasks
        self._codec = codec

    def of(self, row: JobRow, details: BuildDetails | None) -> dict[str, Any]:
        status = STATUSES[row.status]
        details = details or _NOTHING
        config = self._configs.shown(row.definition or "", details)
        error = RemoteError.from_json(row.error) if status is Status.FAILED and row.error else None
        return {
            "id": row.id,
            "job_id": row.definition,
            "start_time": from_micros(row.started_at) if row.attempt else None,
            "end_time": from_micros(row.ended_at),
            "started": row.attempt > 0,
            "finished": status in FINAL,
            "success": status in (Status.SUCCEEDED, Status.SKIPPED),
            "skipped": status is Status.SKIPPED,
            "config": config,
            "retval": self._result(row),
            "exception": RemoteError(bare(error.data)) if error else None,
            "exception_tb": error,
            "title": config.get("title"),
            "notes": config.get("notes"),
            "cleanup_error": details.cleanup_error,
        }

    def _result(self, row: JobRow) -> Any:
        """What a worker stored by the annotations of its task is read by them; what came by hand has none."""
        if row.result is not None and row.worker is not None and row.task in self._tasks:
            with suppress(UsageError):  # the task has changed since
                return self._codec.decode_result(self._tasks.get(row.task).signature, row.result)
        return self._codec.decode_any(row.result)
