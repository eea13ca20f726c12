"""What the errors of psycopg mean for whoever called, in one place."""

from __future__ import annotations

from psycopg import DataError, Error, IntegrityError, OperationalError, ProgrammingError, errors

from jobyard.errors import StoreBusy, StoreError, StoreFull, StoreUnavailable

__all__ = ["translated"]

_BUSY = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)
_UNFIT = (
    ProgrammingError,
    DataError,
    IntegrityError,
    errors.FeatureNotSupported,
    errors.InFailedSqlTransaction,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
)
"""The statement, or a value in it, fits neither the tables nor the server, or its transaction or plan is spent."""
_NO_CONNECTION_LEFT = (
    "too many connections",
    "too many clients",
    "connection slots are reserved",
    "no more connections",
    "query_wait_timeout",
)
"""The words of servers and of pgbouncer: libpq does not tell the code of the error that refused a connection."""
_NO_OPTIONS = "unsupported startup parameter"
"""Those of pgbouncer, in any mode."""


def translated(error: Error, location: str) -> StoreError:
    """The `StoreError` for an error of the database."""
    text = "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
    if isinstance(error, OperationalError) and any(words in text for words in _NO_CONNECTION_LEFT):
        return StoreBusy(
            f"{location}: the server has no connection left ({text}); raise the limit of the server, the database or "
            "the role, or use a pooler"
        )
    if isinstance(error, OperationalError) and _NO_OPTIONS in text:
        return StoreUnavailable(
            f"{location}: {text}: a pooler is between, which passes no options on; add ?prepare=off to the URL, and "
            "take options= out of it"
        )
    if isinstance(error, errors.QueryCanceled):
        canceled = StoreBusy(
            f"{location}: {text}; statement_timeout, of the role or the server, sets how long it may take"
        )
        canceled.canceled = True
        return canceled
    if isinstance(error, _BUSY):
        busy = StoreBusy(f"{location}: another transaction was in the way ({text}); busy_timeout sets how long to wait")
        busy.deadlock = isinstance(error, errors.DeadlockDetected)
        return busy
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory)):
        return StoreFull(f"{location}: the server has no room left ({text}); free some and try again")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreUnavailable(f"{location}: the server takes no writes, it may be a standby ({text})")
    if isinstance(error, errors.InsufficientPrivilege):
        return StoreUnavailable(
            f"{location}: the role of the URL lacks a right ({text}); see `jobyard db roles --print`"
        )
    if isinstance(error, _UNFIT):
        return StoreError(f"{location}: {text}")
    return StoreUnavailable(f"{location}: {text}")
