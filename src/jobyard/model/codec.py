"""
How arguments and results become text, and come back.

Rule 1: an argument that would not come back is refused when it is given, and the error names the parameter.
Rule 2: references are stored beside the arguments, null stands in their place: no data of the user's can look like one.
Rule 3: nothing that is read says which class to make. Only annotations of this process's own code do.

The text of arguments is ``[]``, ``[[1, 2]]`` or ``[[1, 2], {"name": 3}]``: by position and by name as the caller gave
them, so that a changed default counts for calls that were stored before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from jobyard.errors import BadArguments, BadResult
from jobyard.model import arguments
from jobyard.model.arguments import Arguments, Values, canonical, from_json
from jobyard.model.references import Ref, Retval
from jobyard.model.shapes import ANY, Mismatch, Shape
from jobyard.model.shapes.jsontree import UNSETTLED, Path, encode, fill, settle, unsettle
from jobyard.model.signature import Signature

__all__ = [
    "JSON",
    "Codec",
    "JsonCodec",
    "Signature",
    "canonical",
    "decode_any",
    "decode_any_arguments",
    "from_json",
    "pack",
    "unpack",
]

_decode: Callable[[str], Any] = msgspec.json.Decoder().decode


class Codec(Protocol):
    """Turns the arguments and results of tasks into text and back."""

    def encode_arguments(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], max_payload: int | None = None
    ) -> tuple[str, list[Ref]]:
        """
        The arguments as text, and the references that were among them.

        Raises:
            BadArguments: naming the parameter, if the call does not fit the task or a value cannot be stored.
            PayloadTooLarge: naming the parameter with the largest value, if the text has more than *max_payload* bytes.
        """
        ...

    def decode_arguments(self, signature: Signature, text: str, values: Values = ()) -> Arguments:
        """
        The arguments to call the task with, *values* put in for the references.

        Raises:
            BadArguments: naming the parameter, if the stored arguments no longer fit the task.
        """
        ...

    def encode_result(self, signature: Signature, value: Any, max_payload: int | None = None) -> str | None:
        """The result as text; None for None. Raises `BadResult` or `PayloadTooLarge`."""
        ...

    def decode_result(self, signature: Signature, text: str | None) -> Any:
        """The result that was stored. Raises `BadResult` if it no longer fits what the task returns."""
        ...

    def decode_any(self, text: str | None) -> Any:
        """A result, read without the task that returned it."""
        ...

    def decode_any_arguments(self, text: str, values: Values = ()) -> Arguments:
        """Arguments, read without the task they are for, *values* put in for the references, which else are None."""
        ...


class JsonCodec:
    """JSON: plain where a parameter is annotated, tagged where it is not."""

    def encode_arguments(
        self, signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], max_payload: int | None = None
    ) -> tuple[str, list[Ref]]:
        if not args and not kwargs and signature.takes_nothing:
            return "[]", []
        binding = signature.bind(len(args), tuple(kwargs))
        try:
            stored: Any = args
            if tuple(map(type, args)) != binding.positional_types:
                stored = [slot.shape.dump(value) for slot, value in zip(binding.positional, args, strict=True)]
            data = encode([stored, arguments.dump_named(binding, kwargs)] if kwargs else [stored])
            refs: list[Ref] = []
        except Exception:  # a reference, a huge number, a bad value: look closer
            settled, refs = arguments.dump(signature, binding, args, kwargs)
            data = encode(settled)
        if max_payload is not None and len(data) > max_payload:
            raise arguments.too_large(signature, binding, args, kwargs, len(data), max_payload)
        return data.decode(), refs

    def decode_arguments(self, signature: Signature, text: str, values: Values = ()) -> Arguments:
        if text == "[]":
            signature.bind(0, ())
            return (), {}
        args, kwargs = _read_arguments(signature, text)
        if values:
            arguments.put(signature, args, kwargs, values)
        return arguments.load(signature, args, kwargs)

    def encode_result(self, signature: Signature, value: Any, max_payload: int | None = None) -> str | None:
        if value is None:
            return None
        data = _dump_result(signature, value)
        if max_payload is not None and len(data) > max_payload:
            raise arguments.result_size_error(signature, len(data), max_payload)
        return data.decode()

    def decode_result(self, signature: Signature, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return signature.result.load(_read(text))
        except (Mismatch, RecursionError, msgspec.DecodeError) as error:
            msg = f"{signature.name}: the stored result does not fit: {error}"
            raise BadResult(msg) from None

    def decode_any(self, text: str | None) -> Any:
        return decode_any(text)

    def decode_any_arguments(self, text: str, values: Values = ()) -> Arguments:
        return decode_any_arguments(text, values)


JSON = JsonCodec()


def pack(value: Any) -> str:
    """A value as tagged JSON. Raises `BadArguments` for what cannot be stored."""
    try:
        return encode(_settled(ANY, value)).decode()
    except (Mismatch, RecursionError) as error:
        msg = f"cannot be stored: {error}"
        raise BadArguments(msg) from None


def unpack(text: str) -> Any:
    """The value that was packed."""
    return ANY.load(_read(text))


def decode_any(text: str | None) -> Any:
    """A stored result, read without the task that returned it: as good as it can be told, and never an error."""
    if text is None:
        return None
    try:
        return unpack(text)
    except (Mismatch, RecursionError, msgspec.DecodeError):
        return _raw(text)


def decode_any_arguments(text: str, values: Values = ()) -> Arguments:
    """Stored arguments, read without the task they are for, *values* put in for the references, which else are None."""
    match _raw(text):
        case []:
            return (), {}
        case [list(args)]:
            kwargs: dict[str, Any] = {}
        case [list(args), dict(kwargs)]:
            pass
        case other:
            return (other,), {}
    for path, value in values:
        with suppress(LookupError, TypeError):  # else its place stays None
            fill(args if isinstance(path[0], int) else kwargs, path, value)
    return tuple(map(_any, args)), {name: _any(value) for name, value in kwargs.items()}


def _any(data: Any) -> Any:
    try:
        return ANY.load(data)
    except (Mismatch, RecursionError):
        return data


def _raw(text: str) -> Any:
    try:
        return _read(text)
    except (RecursionError, msgspec.DecodeError):
        return text


def _read(text: str) -> Any:
    return unsettle(_decode(text)) if UNSETTLED in text else _decode(text)


def _read_arguments(signature: Signature, text: str) -> tuple[list[Any], dict[str, Any]]:
    try:
        stored = _read(text)
    except (msgspec.DecodeError, RecursionError):
        stored = None
    if type(stored) is list and 1 <= len(stored) <= 2 and type(stored[0]) is list:
        kwargs = stored[1] if len(stored) == 2 else {}
        if type(kwargs) is dict:
            return stored[0], kwargs
    msg = "the stored arguments are not in the form in which arguments are stored"
    raise signature.bad(msg)


def _dump_result(signature: Signature, value: Any) -> bytes:
    shape = signature.result
    with suppress(Exception):  # a huge number or a bad value: look closer
        return encode(shape.dump(value))
    try:
        return encode(_settled(shape, value))
    except Mismatch as mismatch:
        msg = f"{signature.name}: the result{mismatch.place}: {mismatch.text}"
        raise BadResult(msg) from None
    except RecursionError:
        msg = f"{signature.name}: the result is nested too deep, or holds itself"
        raise BadResult(msg) from None


def _settled(shape: Shape, value: Any) -> Any:
    """A tree in which there may be no references."""
    found: list[tuple[Path, Retval]] = []
    settled = settle(shape.dump(value), [], found)
    if found:
        msg = f"{found[0][1]!r} is a reference, which only arguments may have"
        raise Mismatch(msg)
    return settled
