"""
What a build is made of: a configuration that its maker gives, or the snapshot of a definition.

A configuration is a dict with the keys that jobcontrol knows (``function args kwargs title notes dependencies``) and
those of a definition that concern one build (``task queue priority retry timeout heartbeat_timeout cleanup``). Any
other key is kept, and given back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from jobyard.definitions.definition import keys_of, plain_retry
from jobyard.definitions.recipes import fitted, retry_policy
from jobyard.definitions.writing import arguments_of
from jobyard.errors import BadArguments, PreconditionFailed
from jobyard.model.codec import JSON, Codec, decode_any_arguments
from jobyard.model.definition import DefinitionRow, DefinitionState, Recipe
from jobyard.model.newjob import JobOptions, NewJob, NewOp
from jobyard.model.references import Ref, Retval
from jobyard.model.retry import Retry
from jobyard.model.signature import Signature
from jobyard.store.builds import BuildDetails, NewBuild
from jobyard.store.jobs import json_text
from jobyard.store.recurrence import job_of
from jobyard.task import Registry, checks

__all__ = ["Configs"]

T = TypeVar("T")

_PINS = "dependency_builds"
_OF_A_CALL = {"task", "function", "args", "kwargs"}


def _create_build(config: Any) -> None:
    """Whose parameter the text of an error names."""


def _any_call(*args: Any, **kwargs: Any) -> Any:
    """Stands for a task that this process does not know."""


_CONFIG = Signature.of(_create_build, "create_build")
_ANY = Signature.of(_any_call, "create_build")

_decode_recipe = msgspec.json.Decoder(Recipe).decode
_decode_stored = msgspec.json.Decoder(tuple[str, list[Ref]]).decode


class Configs:
    """Makes builds of configurations, and configurations of builds."""

    def __init__(self, tasks: Registry, codec: Codec, *, max_payload: int, user: str | None) -> None:
        self._tasks = tasks
        self._codec = codec
        self._max_payload = max_payload
        self._user = user

    def build(self, job_id: str, config: Mapping[str, Any], more: Mapping[str, Any]) -> NewBuild:
        """
        The build of a configuration.

        Args:
            job_id: whose build it is.
            config: what to call, and how.
            more: of this build alone: ``dependency_builds``, and what else its maker wants to keep.

        Raises:
            BadArguments: naming the key that is wrong.
        """
        whole = {**config, **more}
        cleanup = whole.get("cleanup", whole.get("cleanup_function"))
        return NewBuild(
            self._job(job_id, whole),
            _option(whole, "dependencies", checks.names) or (),
            _pins(whole.get(_PINS)),
            config=self._stored(whole),
            cleanup=None if cleanup is None else checks.name(cleanup, "cleanup"),
        )

    def snapshot(self, row: DefinitionRow, more: Mapping[str, Any]) -> NewBuild:
        """The build of a definition as it is now. Raises `PreconditionFailed` if it is retired."""
        if row.state == DefinitionState.RETIRED:
            msg = f"definition {row.name} is retired, so it is not built"
            raise PreconditionFailed(msg)
        recipe = row.recipe
        job = job_of(row.name, recipe)
        job.requester = self._user
        self._beat(job, more)
        pins = _pins(more.get(_PINS))
        return NewBuild(job, recipe.dependencies, pins, row.options, self._stored(dict(more)), recipe.cleanup)

    def plain(self, name: str, row: DefinitionRow | None) -> NewBuild:
        """The build of a dependency that gets a new one: of its definition, if there is one."""
        return self.build(name, {}, {}) if row is None else self.snapshot(row, {})

    def shown(self, job_id: str, details: BuildDetails) -> dict[str, Any]:
        """The configuration of a stored build, as it was given, with the builds that its dependencies are."""
        config = {} if details.recipe is None else self._of_recipe(job_id, _decode_recipe(details.recipe))
        if details.config is not None:
            config |= _given(details.config)
        if details.dependency_builds is not None:
            config[_PINS] = dict(details.dependency_builds)
        return config

    def _job(self, job_id: str, config: Mapping[str, Any]) -> NewJob:
        task = self._task_name(job_id, config)
        job = NewJob(
            ops=[self._op(task, config)],
            queue=_option(config, "queue", checks.name) or self._says(task, "queue") or "default",
            priority=_option(config, "priority", checks.priority, self._says(task, "priority")),
            definition=job_id,
            requester=self._user,
            options=JobOptions(
                title=_option(config, "title", checks.title, self._says(task, "title")),
                retry=_option(config, "retry", retry_policy),
                timeout=_option(config, "timeout", checks.positive_duration),
            ),
        )
        self._beat(job, config)
        return job

    def _op(self, task: str, config: Mapping[str, Any]) -> NewOp:
        """The call; of a configuration that says nothing of one, nothing is asked either."""
        is_known = task in self._tasks and config.keys() & _OF_A_CALL
        signature = self._tasks.get(task).signature if is_known else _ANY
        args, kwargs = fitted(signature, *_arguments(config))
        text, refs = self._codec.encode_arguments(signature, args, kwargs, self._max_payload)
        return NewOp(task, text, refs)

    def _of_recipe(self, name: str, recipe: Recipe) -> dict[str, Any]:
        usual: dict[str, Any] = {"args": [], "kwargs": {}, "dependencies": [], "notes": None, "protected": False}
        said = keys_of(name, recipe, arguments_of(self._codec, recipe))
        return {**usual, "task": recipe.task, "function": recipe.task, "title": recipe.says.title, **said}

    def _stored(self, config: dict[str, Any]) -> str:
        policy = config.get("retry")
        if isinstance(policy, Retry):
            config = {**config, "retry": plain_retry(policy)}
        text, refs = JSON.encode_arguments(_CONFIG, (config,), {}, self._max_payload)
        return json_text((text, refs))

    def _task_name(self, job_id: str, config: Mapping[str, Any]) -> str:
        said = config.get("task", config.get("function"))
        name = job_id if said is None else checks.name(said, "task" if "task" in config else "function")
        return self._tasks.get(name).name if name in self._tasks else name

    def _says(self, task: str, option: str) -> Any:
        """What a task says for its jobs, if it is known here."""
        return getattr(self._tasks.get(task).options, option) if task in self._tasks else None

    def _beat(self, job: NewJob, config: Mapping[str, Any]) -> None:
        """Have the row itself say after which silence it is reclaimed: who holds it by hand may know no tasks."""
        task = self._says(job.ops[0].task, "heartbeat_timeout")
        said = _option(config, "heartbeat_timeout", checks.positive_duration, task)
        if said is not None:
            job.options = msgspec.structs.replace(job.options or JobOptions(), heartbeat_timeout=said)


def _option(config: Mapping[str, Any], key: str, check: Callable[[Any, str], T], default: T | None = None) -> T | None:
    value = config.get(key)
    return default if value is None else check(value, key)


def _arguments(config: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = config.get("args"), config.get("kwargs")
    if args is not None and not isinstance(args, (list, tuple)):
        msg = f"args={args!r}: give a list"
        raise BadArguments(msg)
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(name, str) for name in kwargs)):
        msg = f"kwargs={kwargs!r}: give a mapping of names to values"
        raise BadArguments(msg)
    return list(args or ()), dict(kwargs or {})


def _pins(pins: Any) -> dict[str, int | None]:
    if pins is None:
        return {}
    if not isinstance(pins, Mapping):
        msg = f"{_PINS}={pins!r}: give a mapping of names to ids of builds, or to None for a new build"
        raise BadArguments(msg)
    for name, id in pins.items():
        checks.name(name, _PINS)
        if id is not None and (isinstance(id, bool) or not isinstance(id, int)):
            msg = f"{_PINS}[{name!r}]={id!r}: give the id of a build, or None for a new one"
            raise BadArguments(msg)
    return dict(pins)


def _given(text: str) -> dict[str, Any]:
    stored, refs = _decode_stored(text)
    values = [(ref.path, Retval(job=ref.job, op=ref.op, name=ref.name)) for ref in refs]
    (config,), _ = decode_any_arguments(stored, values)
    return dict(config)
