"""What the operating system holds a child process to. Imported by children only: it needs Unix."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["die_with_parent", "limited_memory", "memory_in_use"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when the thread that started it is gone (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        os._exit(0)


@contextmanager
def limited_memory(limit: int | None) -> Iterator[None]:
    """
    Let the code inside allocate this many bytes more than there are now; then it gets a `MemoryError`.

    It counts what a process may write to (``RLIMIT_DATA``), so memory mapped from files and shared libraries is free.
    """
    if limit is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = _data_in_use() + limit
    resource.setrlimit(resource.RLIMIT_DATA, (allowed if hard == resource.RLIM_INFINITY else min(allowed, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def memory_in_use() -> int:
    """The bytes of memory this process occupies; where the system does not tell, the most it ever did."""
    pages = _statm(1)
    if pages is not None:
        return pages
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _data_in_use() -> int:
    return _statm(5) or memory_in_use()


def _statm(field: int) -> int | None:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[field]) * resource.getpagesize()
    except OSError:
        return None
