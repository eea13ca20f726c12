"""
The storage interface of jobcontrol: its methods, parameters and defaults.

A build is a job like any other, and the same row whoever runs it: a worker, or a program that starts and finishes it
here. Nothing is kept in this object.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from jobyard.builds import given
from jobyard.builds.config import Configs
from jobyard.builds.info import BuildInfo
from jobyard.builds.messages import LogMessage
from jobyard.builds.packing import captured, pack, pack_exception, unpack
from jobyard.cleanup import delete_build
from jobyard.config import Settings, load_settings
from jobyard.errors import BadArguments, UsageError
from jobyard.model.codec import Codec, JsonCodec
from jobyard.model.logline import line_of
from jobyard.model.progress import Group, join_group
from jobyard.model.signature import Signature
from jobyard.model.traceback import RemoteError, encode
from jobyard.store import Store, open_store
from jobyard.store.buildlog import LogFilter, find_lines, prune_lines
from jobyard.store.builds import BuildFilter
from jobyard.task import Registry, checks

__all__ = ["Storage"]

_BATCH = 100
_LINES = 5000


def _finish_build() -> Any:
    """Whose result the text of an error names."""


_ANY = Signature.of(_finish_build, "finish_build")


class Storage:
    """
    The builds of one store. A dict stands for a build, see `get_build`.

    Args:
        store: where they are.
        tasks: those that this process knows; by them arguments are checked, and results read.
        codec: of the yard.
        settings: of the yard.
    """

    def __init__(self, store: Store, tasks: Registry, codec: Codec, settings: Settings) -> None:
        self._store = store
        self._tasks = tasks
        self._codec = codec
        self._settings = settings
        self._configs = Configs(tasks, codec, max_payload=settings.max_payload, user=settings.user)
        self._info = BuildInfo(self._configs, tasks, codec)

    @classmethod
    def from_url(cls, url: str) -> Storage:
        """
        The builds of the store at *url*: a yard of its own, without tasks.

        Raises:
            ConfigError: there is no such kind of store.
        """
        settings = load_settings({"url": url})
        return cls(open_store(settings.url, busy_timeout=settings.busy_timeout), Registry(), JsonCodec(), settings)

    def __repr__(self) -> str:
        return f"<Storage {self._store.location}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. A later use opens new ones."""
        self._store.close()

    def install(self) -> None:
        """Make the tables, if they are not there."""
        self._store.upgrade()

    def uninstall(self) -> None:
        """Drop the tables, and with them all jobs, builds or not."""
        self._store.uninstall()

    def get_job_builds(
        self,
        job_id: str,
        started: bool | None = None,
        finished: bool | None = None,
        success: bool | None = None,
        skipped: bool | None = None,
        order: Literal["asc", "desc"] = "asc",
        limit: int | None = 100,
    ) -> Iterator[dict[str, Any]]:
        """
        Iterate over the builds of a job, in the order in which they were created.

        Args:
            job_id: the name of a definition, or whatever name was given to `create_build`; any other has no builds.
            started: only those that have begun, or (False) have not; so the next three.
            finished: those that have ended.
            success: those that succeeded, or were skipped.
            skipped: those that were skipped.
            order: ``"asc"``, or ``"desc"`` for the newest first.
            limit: how many at most; None for all.
        """
        direction = order.lower() if isinstance(order, str) else order
        if direction not in ("asc", "desc"):
            msg = f"order={order!r}: give 'asc' (oldest first) or 'desc'"
            raise BadArguments(msg)
        flags = {"started": started, "finished": finished, "success": success, "skipped": skipped}
        wanted = {name: None if flag is None else checks.flag(flag, name) for name, flag in flags.items()}
        if not isinstance(job_id, str):  # what is no name is that of no job
            return iter(())
        return self._each(BuildFilter(job_id, **wanted, newest_first=direction == "desc"), given.limit(limit))

    def create_build(
        self,
        job_id: str,
        config: Mapping[str, Any] | None = None,
        *,
        job_config: Mapping[str, Any] | None = None,
        build_config: Mapping[str, Any] | None = None,
    ) -> int:
        """
        Create a build, held: no worker claims it. `start_build` starts it for the caller; ``yard.job(id).resume()``
        gives it to the workers instead.

        Args:
            job_id: the name of a definition, or any other.
            config: short for *job_config*.
            job_config: what is built (function, args, kwargs, dependencies, ...), in values of Python or of YAML; by
                default the definition as it is.
            build_config: of this build alone: ``dependency_builds``, a mapping of dependencies to builds, with None for
                a new one, which is held like this. A dependency that is not in it is its latest successful build.

        Returns:
            The id of the build.

        Raises:
            PreconditionFailed: the definition is retired, or that of a dependency that gets a new build.
            MissingDependencies: a dependency has no successful build; nothing was created.
            UnknownJob: a dependency is pinned to a build that does not exist.
            BadArguments: something in a configuration is wrong, or cannot be stored.
        """
        name = checks.name(job_id, "job_id")
        said, more = given.configs(config, job_config, build_config)
        with self._store.transaction() as tx:
            definition = self._store.builds.new_of(tx, name) if said is None else None
            if definition is None:
                build = self._configs.build(name, said or {}, more)
            else:
                build = self._configs.snapshot(definition, more)
            row = self._store.builds.create(tx, build, self._configs.plain, self._store.now())
        self._store.driver.notify(everywhere=False)
        return row.id

    def get_build(self, build_id: int) -> dict[str, Any]:
        """
        A build as a dict.

        Its keys are those of jobcontrol: ``id job_id start_time end_time started finished success skipped config retval
        exception exception_tb``, and ``title notes``. Times are aware datetimes. `exception` is a `RemoteError` without
        its traceback, `exception_tb` the same with it. `cleanup_error` says why its clean-up has failed, if it has.

        Raises:
            UnknownJob: there is no such build.
        """
        with self._store.read() as tx:
            row = self._store.builds.get(tx, given.number(build_id))
            details = self._store.builds.details(tx, [row.id])
        return self._info.of(row, details.get(row.id))

    def delete_build(self, build_id: int) -> None:
        """
        Delete a build with its progress and log, after its clean-up. An unknown id is nothing to delete.

        Raises:
            PreconditionFailed: somebody else runs it, an unfinished build depends on it, or it is the next run of a
                recurrence.
            UnknownTask: its clean-up is not known here.
            Exception: what the clean-up raised; the build stays, and deleting it again repeats the call.
        """
        delete_build(self._store, self._tasks, self._codec, given.number(build_id), self._settings.user)

    def start_build(self, build_id: int) -> None:
        """
        Start a build for the caller, who finishes it. Nobody takes it back, unless it has a `heartbeat_timeout`.

        Raises:
            UnknownJob: there is no such build.
            InvalidTransition: it runs or has ended, or one that it depends on has not succeeded.
        """
        with self._store.transaction() as tx:
            self._store.builds.start(tx, given.number(build_id), self._settings.user, self._store.now())
        self._store.driver.notify(everywhere=True)

    def finish_build(
        self,
        build_id: int,
        success: bool | None = None,
        skipped: bool | None = None,
        retval: Any = None,
        exception: BaseException | None = None,
        exception_tb: TracebackType | RemoteError | None = None,
    ) -> None:
        """
        End a build that the caller has started; one that is not started is started first.

        Args:
            build_id: of the build.
            success: by default True, unless there is an exception.
            skipped: it was found that there is nothing to do.
            retval: the result, of any type that can be stored without annotations.
            exception: why it failed.
            exception_tb: the traceback; by default that of the exception.

        Raises:
            UnknownJob: there is no such build.
            InvalidTransition: it has ended, or somebody else runs it.
            BadArguments: what is said of it contradicts itself.
            BadResult: the result cannot be stored; the build is not finished.
        """
        status = given.final_status(success, skipped, retval, exception, exception_tb)
        error = None if exception is None else encode(captured(exception, exception_tb, self._settings.mask))
        result = self._codec.encode_result(_ANY, retval, self._settings.max_payload)
        with self._store.transaction() as tx:
            settlement = self._store.builds.finish(
                tx,
                given.number(build_id),
                status,
                result=result,
                error=error,
                user=self._settings.user,
                now=self._store.now(),
            )
        self._store.driver.notify(everywhere=settlement.ready)

    def finish_build_with_exception(self, build_id: int) -> None:
        """
        End a build as failed, by the exception that is being handled.

        Raises:
            UsageError: there is none; call it in an ``except`` block.
        """
        error = sys.exception()
        if error is None:
            msg = "finish_build_with_exception() takes the exception being handled: call it in an except block"
            raise UsageError(msg)
        self.finish_build(build_id, exception=error)

    def update_build_progress(self, build_id: int, current: float, total: float) -> None:
        """The old name of `report_build_progress` without a group."""
        warnings.warn("update_build_progress() is now report_build_progress()", DeprecationWarning, stacklevel=2)
        self.report_build_progress(build_id, current, total)

    def report_build_progress(
        self, build_id: int, current: float, total: float, group_name: Group | None = "", status_line: str = ""
    ) -> None:
        """
        Say how far a build is, or a group of it; the newest report of a group counts.

        Args:
            build_id: of the build.
            current: how many steps are done.
            total: how many there are.
            group_name: the levels, as a tuple or a list, or as one text divided by ``::``; at most 128 characters.
            status_line: what is being done.

        Raises:
            UnknownJob: there is no such build.
            BadArguments: naming the parameter.
        """
        reports = given.report(current, total, group_name, status_line)
        with self._store.transaction() as tx:
            self._store.builds.report(tx, given.number(build_id), (), reports, self._store.now())
        self._store.driver.notify(everywhere=False)

    def get_build_progress_info(self, build_id: int) -> list[tuple[str | None, float, float, str]]:
        """
        ``(name, current, total, status_line)`` for each group, in the order of their first reports.

        The levels of a name are divided by ``::``; that of the build itself is None. A total that is not known is 0.

        Raises:
            UnknownJob: there is no such build.
        """
        with self._store.read() as tx:
            row = self._store.builds.get(tx, given.number(build_id))
            reports = self._store.records.progress_in_order(tx, row.id)
        return [(join_group(r.group) or None, _whole(r.current), _whole(r.total or 0), r.status) for r in reports]

    def get_latest_successful_build(self, job_id: str) -> dict[str, Any] | None:
        """The newest build of a job that succeeded and was not skipped, or None."""
        found = self.get_job_builds(
            job_id, started=True, finished=True, success=True, skipped=False, order="desc", limit=1
        )
        return next(found, None)

    def log_message(self, build_id: int, record: logging.LogRecord) -> None:
        """Store a log record of a build. Raises `UnknownJob`."""
        if not isinstance(record, logging.LogRecord):
            msg = f"record={record!r}: give a logging.LogRecord"
            raise BadArguments(msg)
        line = line_of(record, 0, self._settings.mask)
        with self._store.transaction() as tx:
            self._store.builds.report(tx, given.number(build_id), [line], (), self._store.now())
        self._store.driver.notify(everywhere=False)

    def prune_log_messages(
        self,
        job_id: str | None = None,
        build_id: int | None = None,
        max_age: float | None = None,
        level: int | str | None = None,
    ) -> int:
        """
        Delete log messages of builds: those that fit all conditions given.

        Without a condition the old ones go: debug after 15 days, info after a month, warnings after 3, errors after 6.

        Args:
            job_id: those of this job.
            build_id: those of this build.
            max_age: those that are older than so many seconds; 0 for all.
            level: those of this level, or its name, or a lower one.

        Returns:
            How many were deleted.
        """
        age, now = given.age(max_age), self._store.now()
        if job_id is not None and not isinstance(job_id, str):
            return 0
        filter = LogFilter(
            build=None if build_id is None else given.number(build_id),
            definition=job_id,
            until=now - age if age else None,
            max_level=given.level(level, "level"),
        )
        old_at = now if filter.is_empty and age is None else None
        gone = 0
        while deleted := self._prune(filter, old_at):
            gone += deleted
        return gone

    def iter_log_messages(
        self,
        build_id: int | None = None,
        max_date: datetime | None = None,
        min_date: datetime | None = None,
        min_level: int | str | None = None,
    ) -> Iterator[LogMessage]:
        """
        Iterate over log messages, in the order in which they were stored.

        Args:
            build_id: only those of this build; None: of all builds.
            max_date: those from before this instant.
            min_date: those from this instant on.
            min_level: those of this level, or its name, or a higher one.
        """
        filter = LogFilter(
            build=None if build_id is None else given.number(build_id),
            since=given.instant(min_date, "min_date"),
            until=given.instant(max_date, "max_date"),
            min_level=given.level(min_level, "min_level"),
        )
        return self._each_line(filter)

    def pack(self, obj: Any, safe: bool = False) -> str:
        """
        A value as text, see `unpack`. All that can be stored without annotations comes back as it was.

        Raises:
            BadArguments: it cannot be stored. With *safe* a `Placeholder` with its repr is packed instead.
        """
        return pack(obj, safe=safe)

    def pack_exception(self, exception: BaseException) -> str:
        """An exception as text, without its traceback; `unpack` gives the `RemoteError`."""
        return pack_exception(exception, self._settings.mask)

    def unpack(self, obj: str | bytes, safe: bool = False) -> Any:
        """
        What was packed.

        Raises:
            BadArguments: it is not the text of a packed value. With *safe* a `Placeholder` comes back that says so.
        """
        return unpack(obj, safe=safe)

    def _each(self, filter: BuildFilter, limit: int | None) -> Iterator[dict[str, Any]]:
        left = limit
        while left is None or left > 0:
            filter = replace(filter, limit=_BATCH if left is None else min(left, _BATCH))
            with self._store.read() as tx:
                rows = self._store.builds.find(tx, filter)
                details = self._store.builds.details(tx, [row.id for row in rows])
            for row in rows:
                yield self._info.of(row, details.get(row.id))
            if len(rows) < (filter.limit or 0):
                return
            filter = replace(filter, beyond=rows[-1].id)
            left = None if left is None else left - len(rows)

    def _each_line(self, filter: LogFilter) -> Iterator[LogMessage]:
        while True:
            with self._store.read() as tx:
                rows = find_lines(tx, filter, _LINES)
            yield from map(LogMessage, rows)
            if len(rows) < _LINES:
                return
            filter = replace(filter, after=rows[-1].id)

    def _prune(self, filter: LogFilter, old_at: int | None) -> int:
        with self._store.transaction() as tx:
            return prune_lines(tx, self._store.builds.sql, filter, _LINES, old_at=old_at)


def _whole(figure: float) -> float:
    """Whole numbers as such: they are stored as any other."""
    return int(figure) if figure == int(figure) else figure
