"""The arguments of a call on their way to JSON and back: each by its parameter, which every error names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jobyard.errors import PayloadTooLarge
from jobyard.model.references import Ref, Retval
from jobyard.model.shapes import Mismatch
from jobyard.model.shapes.jsontree import Path, encode, fill, settle
from jobyard.model.shapes.tagged import PAIRS, is_tag
from jobyard.model.signature import Binding, Signature, Slot

__all__ = [
    "Arguments",
    "Path",
    "Values",
    "canonical",
    "dump",
    "dump_named",
    "from_json",
    "load",
    "put",
    "result_size_error",
    "size_error",
    "stored_ref",
    "too_large",
]

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Values = Sequence[tuple[Sequence[str | int], object]]
"""What to put where: the path of a `Ref`, and the result it stands for."""

_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def dump_named(binding: Binding, kwargs: dict[str, Any]) -> dict[str, Any]:
    if tuple(map(type, kwargs.values())) == binding.named_types:
        return kwargs
    pairs = zip(binding.named, kwargs.items(), strict=True)
    return {name: slot.shape.dump(value) for slot, (name, value) in pairs}


def dump(
    signature: Signature, binding: Binding, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], list[Ref]]:
    """
    What to encode, and the references that were taken out.

    Raises:
        BadArguments: naming the parameter that is at fault.
    """
    refs: list[Ref] = []
    stored: list[Any] = [
        [
            _checked(signature, slot, value, [index], refs)
            for index, (slot, value) in enumerate(zip(binding.positional, args, strict=True))
        ]
    ]
    if kwargs:
        pairs = zip(binding.named, kwargs.items(), strict=True)
        stored.append({name: _checked(signature, slot, value, [name], refs) for slot, (name, value) in pairs})
    return stored, refs


def _checked(signature: Signature, slot: Slot, value: Any, path: Path, refs: list[Ref]) -> Any:
    found: list[tuple[Path, Retval]] = []
    try:
        settled = settle(slot.shape.dump(value), path, found)
        encode(settled)
    except Mismatch as mismatch:
        raise signature.bad(f"parameter {slot.name!r}{mismatch.place}: {mismatch.text}") from None
    except RecursionError:
        raise signature.bad(f"parameter {slot.name!r} is nested too deep, or holds itself") from None
    refs += [stored_ref(signature, slot.name, place, retval) for place, retval in found]
    return settled


def stored_ref(signature: Signature, name: str, path: Path, retval: Retval) -> Ref:
    """The reference as it is stored. A job is its id; one that has none cannot be waited for."""
    job = getattr(retval.job, "id", retval.job)
    if job is None and retval.job is None:
        return Ref(path, None, retval.op, retval.name)
    if isinstance(job, bool) or not isinstance(job, int) or job == 0:
        raise signature.bad(f"parameter {name!r}: {retval!r} names no stored job; give one, its id, or -n in a batch")
    return Ref(path, job, retval.op, retval.name)


def too_large(
    signature: Signature, binding: Binding, args: Sequence[Any], kwargs: Mapping[str, Any], size: int, limit: int
) -> PayloadTooLarge:
    """The error that names the parameter with the largest value."""
    sizes = {slot.name: len(encode(_checked(signature, slot, v, [], []))) for slot, v in _pairs(binding, args, kwargs)}
    return size_error(signature, size, limit, sizes)


def size_error(signature: Signature, size: int, limit: int, sizes: Mapping[str, int]) -> PayloadTooLarge:
    largest = max(sizes, key=sizes.__getitem__)
    return PayloadTooLarge(
        f"{signature.name}: the arguments have {size:,} bytes, more than max_payload ({limit:,}) allows; "
        f"the largest is parameter {largest!r} with {sizes[largest]:,}"
    )


def result_size_error(signature: Signature, size: int, limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"{signature.name}: the result has {size:,} bytes, more than max_payload ({limit:,}) allows")


def put(signature: Signature, args: list[Any], kwargs: dict[str, Any], values: Values) -> None:
    for path, value in values:
        place = args if isinstance(path[0], int) else kwargs
        try:
            fill(place, path, value)
        except (LookupError, TypeError):
            raise signature.bad(f"the stored reference at {list(path)} leads nowhere") from None


def load(signature: Signature, args: list[Any], kwargs: dict[str, Any]) -> Arguments:
    binding = signature.bind(len(args), tuple(kwargs))
    if tuple(map(type, args)) != binding.positional_types:
        args = [_loaded(signature, slot, data) for slot, data in zip(binding.positional, args, strict=True)]
    if kwargs and tuple(map(type, kwargs.values())) != binding.named_types:
        pairs = zip(binding.named, kwargs.items(), strict=True)
        kwargs = {name: _loaded(signature, slot, data) for slot, (name, data) in pairs}
    return tuple(args), kwargs


def _loaded(signature: Signature, slot: Slot, data: Any) -> Any:
    try:
        return slot.shape.load(data)
    except Mismatch as mismatch:
        raise signature.bad(f"parameter {slot.name!r}{mismatch.place}: {mismatch.text}") from None
    except RecursionError:
        raise signature.bad(f"parameter {slot.name!r} is nested too deep") from None


def from_json(signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """
    Values as somebody wrote them in JSON (or YAML), made into those that the parameters are annotated with.

    Raises:
        BadArguments: naming the parameter.
    """
    return load(signature, [_untagged(value) for value in args], {k: _untagged(v) for k, v in kwargs.items()})


def _untagged(value: Any) -> Any:
    """The same value, its dicts stored so that none is taken for a tag."""
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if is_tag(value):
        return {PAIRS: [[key, _untagged(item)] for key, item in value.items()]}
    return {key: _untagged(item) for key, item in value.items()}


def canonical(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """
    A text that is the same for calls that mean the same, however the arguments are given.

    By position or by name, in whatever order, with a default or without it: one text.
    """
    binding = signature.bind(len(args), tuple(kwargs))
    refs: list[Ref] = []
    named: dict[str, Any] = {}
    rest: list[Any] = []
    for slot, value in _pairs(binding, args, kwargs):
        data = _checked(signature, slot, value, [slot.name], refs)
        if (parameter := signature.parameters.get(slot.name)) and parameter.kind is parameter.VAR_POSITIONAL:
            rest.append(data)
        elif not _is_default(signature, slot, data):
            named[slot.name] = data
    return _encode_sorted([named, rest, sorted(refs, key=_encode_sorted)]).decode()


def _is_default(signature: Signature, slot: Slot, data: Any) -> bool:
    parameter = signature.parameters.get(slot.name)
    if parameter is None or parameter.default is parameter.empty:
        return False
    try:
        return encode(slot.shape.dump(parameter.default)) == encode(data)
    except Exception:
        return False  # a default that cannot be stored is nobody's argument


def _pairs(binding: Binding, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[Slot, Any]]:
    return [*zip(binding.positional, args, strict=True), *zip(binding.named, kwargs.values(), strict=True)]
