"""One job of a foreign runner: it beats while the command runs, and finishes the job with what came of that."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobyard.cli import format, output
from jobyard.cli.data import job_data, json_text
from jobyard.cli.run_external.child import Child
from jobyard.cli.run_external.output import Output
from jobyard.errors import PreconditionFailed, StoreError, UnknownJob
from jobyard.model.definition import ResultStatus
from jobyard.model.states import Status

if TYPE_CHECKING:
    from jobyard.model.job import Job
    from jobyard.workflow import Workflow

__all__ = ["ExternalJob", "Plan"]

_R = ResultStatus
_BY_EXIT_CODE = {
    0: _R.SUCCESS,
    2: _R.SUCCESS_NOCHANGE,
    3: _R.SUCCESS_PARTIAL,
    4: _R.FAILURE_INVALID,
    5: _R.FAILURE_UNSUPPORTED_FEATURE,
    6: _R.FAILURE_FORBIDDEN,
    7: _R.FAILURE_REMOTE_BROKEN,
}
"""Any other code, and any signal, is a failure."""
_LOST, _CANCELED, _TOLD, _SILENT = "lost", "canceled", "told", "silent"
_AGAIN = 2.0
"""Seconds between two tries where the store does not answer."""


@dataclass(frozen=True)
class Plan:
    """How jobs are run. Durations are seconds."""

    command: tuple[str, ...]
    heartbeat: float
    inactivity_timeout: float
    max_log: int
    """Bytes."""


class ExternalJob:
    """
    Runs the command for one started job.

    Once the job was reclaimed or deleted the command is killed and nothing more is said of it: others have the job now,
    or nobody.
    """

    def __init__(self, workflow: Workflow, job: Job[Any], plan: Plan) -> None:
        self.id = job.id
        self.name = job.definition or job.title
        self.result: ResultStatus | None = None
        """How it ended; None while it runs, and for a job that was lost."""
        self._workflow = workflow
        self._epoch = job.epoch
        self._given = json_text({**job_data(job), "epoch": job.epoch}, indent=False).encode()
        self._plan = plan
        self._output = Output(plan.max_log)
        self._told_to_stop = threading.Event()
        self._lost = False
        self._canceled = False
        self._stopped: str | None = None
        """Why the command was stopped, if it was."""

    @property
    def interrupted(self) -> bool:
        """Whether its command was stopped because the runner was."""
        return self._stopped == _TOLD

    def stop(self) -> None:
        """Have the command end, since the runner does; the job goes to others. From any thread."""
        self._told_to_stop.set()

    def run(self) -> None:
        """Run the command, and say what came of it."""
        try:
            status = self._run()
        except Exception:  # whatever is wrong with the command must not end the runner
            self._output.say(f"the command could not be run\n{traceback.format_exc()}")
            status = _R.FAILURE
        if self._lost:
            return
        if self._stopped == _TOLD:
            self._say("reclaim", lambda: self._workflow.reclaim_job(self.id, epoch=self._epoch))
        else:
            self._finish(status)

    def _finish(self, status: ResultStatus) -> None:
        log = self._output.log
        if self._say("finish", lambda: self._workflow.finish_job(self.id, status, log, epoch=self._epoch)):
            self.result = status

    def _run(self) -> ResultStatus:
        self._beat()
        child = Child(self._plan.command, self._given)
        try:
            self._attend(child)
        finally:
            child.close()
        self._beat()  # the last lines stay with the result
        if self._stopped is not None:
            return _R.KILLED if self._stopped == _CANCELED else _R.FAILURE
        return _BY_EXIT_CODE.get(child.code if child.code is not None else 1, _R.FAILURE)

    def _attend(self, child: Child) -> None:
        """Read what the command says, and beat, until it has ended."""
        heard = beaten = time.monotonic()
        while True:
            ended = child.ended
            if data := child.read(0 if ended else beaten + self._plan.heartbeat - time.monotonic()):
                self._output.add(data)
                heard = time.monotonic()
            elif ended:
                return
            now = time.monotonic()
            if now - beaten >= self._plan.heartbeat:
                self._beat()
                beaten = now
            if self._stopped is None and not ended:
                self._stopped = self._reason_to_stop(now - heard)
                if self._stopped is not None:
                    child.stop()

    def _reason_to_stop(self, silence: float) -> str | None:
        if self._lost:
            return _LOST
        if self._canceled:
            return _CANCELED
        if self._told_to_stop.is_set():
            return _TOLD
        if silence < self._plan.inactivity_timeout:
            return None
        self._output.say(f"nothing was said for {format.compact(self._plan.inactivity_timeout)}, so it was killed")
        return _SILENT

    def _beat(self) -> None:
        try:
            job = self._workflow.update_heartbeat(self.id, self._output.last_lines, epoch=self._epoch)
        except (PreconditionFailed, UnknownJob):
            self._lost = True
        except StoreError as error:  # it stays ours for a while without being heard
            output.warn(f"job {self.id}: could not beat: {error}")
        else:
            self._canceled = job.status is Status.CANCELING and job.epoch == self._epoch

    def _say(self, what: str, act: Callable[[], object]) -> bool:
        """Tell the store, as often as it takes; False if the job is no longer this run's."""
        while True:
            try:
                act()
            except (PreconditionFailed, UnknownJob):
                return False
            except StoreError as error:
                output.warn(f"job {self.id}: could not {what}: {error}; again in {_AGAIN:g} s")
                time.sleep(_AGAIN)
            else:
                return True
