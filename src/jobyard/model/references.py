"""What stands in the arguments of a job for a value that does not exist yet."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, overload

import msgspec

__all__ = ["Ref", "Reference", "Retval", "retval"]

R_co = TypeVar("R_co", covariant=True)


class HasResult(Protocol[R_co]):
    """What a `Job` is to the type checker here: its result has a type."""

    @property
    def result(self) -> R_co: ...


class Reference:
    """A value that becomes another one when the job runs: `Retval`, and a `Job` (which stands for its result)."""

    __slots__ = ()

    def as_retval(self) -> Retval:
        raise TypeError(self)


class Retval(Reference):
    """The result of a job (object, id, or -n in a batch), of an earlier op of the same job, or of a definition."""

    __slots__ = ("job", "name", "op")

    def __init__(self, job: Any = None, op: int | None = None, name: str | None = None) -> None:
        self.job = job
        self.op = op
        self.name = name

    def as_retval(self) -> Retval:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Retval) and (self.job, self.op, self.name) == (other.job, other.op, other.name)

    def __hash__(self) -> int:
        return hash((self.job, self.op, self.name))

    def __repr__(self) -> str:
        given = {"job": self.job, "op": self.op, "name": self.name}
        return f"retval({', '.join(f'{k}={v!r}' for k, v in given.items() if v is not None)})"


class Ref(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A reference as it is stored, beside the arguments: where it stands, and for what."""

    path: list[str | int]
    """The parameter's position (int) or name (str), then the keys and indexes below it."""
    job: int | None = None
    """A job's id; in a `NewJob` also -n, the n-th before it in the batch."""
    op: int | None = None
    name: str | None = None


@overload
def retval(source: str) -> Any: ...
@overload
def retval(source: int) -> Any: ...
@overload
def retval(source: HasResult[R_co]) -> R_co: ...
@overload
def retval(*, op: int) -> Any: ...
def retval(source: Any = None, *, op: int | None = None) -> Any:
    """
    Stand for a value that another job, an earlier op or a definition will have produced by then.

    Args:
        source: a job, the id of one, ``-1`` for the one before in `enqueue_many`, or the name of a definition.
        op: the index of an earlier op of the same job.
    """
    if (source is None) == (op is None):
        msg = "retval() takes either a job (or a definition's name) or op="
        raise TypeError(msg)
    if isinstance(source, str):
        return Retval(name=source)
    return Retval(job=source, op=op)
