"""The other codec: pickles, signed, for arguments and results that JSON cannot say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from jobyard.errors import BadArguments, BadResult, UsageError
from jobyard.model import arguments
from jobyard.model.arguments import Arguments, Values
from jobyard.model.references import Ref, Reference
from jobyard.model.signature import Signature

__all__ = ["SignedPickle"]

_Step = int | str
"""The position or the keyword of an argument."""

_PREFIX = "pickle"
_ARGUMENTS = b"arguments"
_RESULT = b"result"


class SignedPickle:
    """
    Store arguments and results as pickles, signed with a secret key (HMAC-SHA256).

    Nothing is unpickled before its signature was found right, since a pickle can run any code: whoever may write to the
    database, but does not have a key, can do no more than with JSON. Who has a key can run code in every worker.

    Args:
        key: signs; give at least 16 bytes that nobody can guess.
        older: keys that are still accepted when reading, so that the key can be changed.
    """

    def __init__(self, key: bytes | str, *older: bytes | str) -> None:
        self._keys = [each.encode() if isinstance(each, str) else each for each in (key, *older)]
        if not all(self._keys):
            msg = "SignedPickle() needs a key that is not empty"
            raise UsageError(msg)

    def __repr__(self) -> str:
        return f"SignedPickle(<{len(self._keys)} keys>)"

    def encode_arguments(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], max_payload: int | None = None
    ) -> tuple[str, list[Ref]]:
        names = _names(signature, args, kwargs)
        refs: list[Ref] = []
        data = {step: _pickled(signature, names[step], step, value, refs) for step, value in _steps(args, kwargs)}
        text = self._sign(_ARGUMENTS, pickle.dumps(data))
        if max_payload is not None and len(text) > max_payload:
            sizes = {names[step]: len(item) for step, item in data.items()}
            raise arguments.size_error(signature, len(text), max_payload, sizes)
        return text, refs

    def decode_arguments(self, signature: Signature, text: str, values: Values = ()) -> Arguments:
        data = self._open_arguments(text, signature.bad)
        args, kwargs = _parted(data)
        names = _names(signature, args, kwargs)
        known = {tuple(path): value for path, value in values}
        loaded = {}
        for step, item in data.items():
            try:
                loaded[step] = _unpickled(item, step, known)
            except Exception as error:  # a class that was renamed or changed may raise anything
                raise signature.bad(f"parameter {names[step]!r} cannot be unpickled: {error!r}") from error
        return _parted(loaded)

    def encode_result(self, signature: Signature, value: Any, max_payload: int | None = None) -> str | None:
        if value is None:
            return None
        try:
            text = self._sign(_RESULT, pickle.dumps(value))
        except Exception as error:  # pickling calls the value's own code
            msg = f"{signature.name}: the result cannot be pickled: {error!r}"
            raise BadResult(msg) from error
        if max_payload is not None and len(text) > max_payload:
            raise arguments.result_size_error(signature, len(text), max_payload)
        return text

    def decode_result(self, signature: Signature, text: str | None) -> Any:
        return self.decode_any(text)

    def decode_any(self, text: str | None) -> Any:
        if text is None:
            return None
        data = self._verified(_RESULT, text)
        if data is None:
            msg = "the stored result is not signed with a key of this yard"
            raise BadResult(msg)
        try:
            return pickle.loads(data)  # noqa: S301 - the signature was right
        except Exception as error:
            msg = f"the stored result cannot be unpickled: {error!r}"
            raise BadResult(msg) from error

    def decode_any_arguments(self, text: str, values: Values = ()) -> Arguments:
        data = self._open_arguments(text, BadArguments)
        known = {tuple(path): value for path, value in values} or None
        return _parted({step: _unpickled(item, step, known) for step, item in data.items()})

    def _open_arguments(self, text: str, refuse: Callable[[str], BadArguments]) -> dict[_Step, bytes]:
        data = self._verified(_ARGUMENTS, text)
        if data is None:
            raise refuse("the stored arguments are not signed with a key of this yard")
        steps: dict[_Step, bytes] = pickle.loads(data)  # noqa: S301 - the signature was right
        return steps

    def _sign(self, kind: bytes, data: bytes) -> str:
        mac = _mac(self._keys[0], kind, data)
        return f"{_PREFIX}:{base64.b64encode(mac).decode()}:{base64.b64encode(data).decode()}"

    def _verified(self, kind: bytes, text: str) -> bytes | None:
        """What was signed, if it was."""
        try:
            prefix, mac, data = (part.encode() for part in text.split(":"))
            given, payload = base64.b64decode(mac, validate=True), base64.b64decode(data, validate=True)
        except ValueError:
            return None
        right = [hmac.compare_digest(given, _mac(key, kind, payload)) for key in self._keys]
        return payload if prefix == _PREFIX.encode() and any(right) else None


def _mac(key: bytes, kind: bytes, data: bytes) -> bytes:
    # The kind is signed too: a result, which a task may have made of foreign data, cannot be passed off as arguments.
    return hmac.digest(key, kind + b"\0" + data, hashlib.sha256)


class _Pickler(pickle.Pickler):
    """Leaves references out and collects them; the persistent id is the place in that list."""

    def __init__(self, file: io.BytesIO, references: list[Reference]) -> None:
        super().__init__(file)
        self._references = references

    def persistent_id(self, obj: Any) -> int | None:
        if not isinstance(obj, Reference):
            return None
        self._references.append(obj)
        return len(self._references) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, step: _Step, values: Mapping[tuple[_Step, ...], object] | None) -> None:
        super().__init__(file)
        self._step = step
        self._values = values

    def persistent_load(self, pid: Any) -> Any:
        return None if self._values is None else self._values[self._step, pid]


def _pickled(signature: Signature, name: str, step: _Step, value: Any, refs: list[Ref]) -> bytes:
    file = io.BytesIO()
    references: list[Reference] = []
    try:
        _Pickler(file, references).dump(value)
    except Exception as error:  # pickling calls the value's own code
        raise signature.bad(f"parameter {name!r} cannot be pickled: {error!r}") from error
    for index, reference in enumerate(references):
        refs.append(arguments.stored_ref(signature, name, [step, index], reference.as_retval()))
    return file.getvalue()


def _unpickled(data: bytes, step: _Step, values: Mapping[tuple[_Step, ...], object] | None) -> Any:
    return _Unpickler(io.BytesIO(data), step, values).load()


def _names(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[_Step, str]:
    """The names of the parameters that these arguments are for."""
    binding = signature.bind(len(args), tuple(kwargs))
    return {**{i: slot.name for i, slot in enumerate(binding.positional)}, **{name: name for name in kwargs}}


def _steps(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[_Step, Any]]:
    return [*enumerate(args), *kwargs.items()]


def _parted(steps: Mapping[_Step, Any]) -> Arguments:
    """The inverse of `_steps`."""
    args = tuple(value for step, value in steps.items() if isinstance(step, int))
    return args, {step: value for step, value in steps.items() if isinstance(step, str)}
