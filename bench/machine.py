"""What the figures were taken on, and with."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from bench.place import PLACES

__all__ = ["describe"]

PEERS = {"sqlite": ("huey",), "postgres": ("psycopg", "pgqueuer", "procrastinate")}
SETTINGS = {
    "sqlite": "WAL, `synchronous=FULL` for all; jobyard and huey with 10 slots; huey keeps results (`store_none`)",
    "postgres": "the server on the same machine, with its defaults (`fsync` on) and `shared_buffers` of 512 MB; "
    "jobyard with 10 slots; pgqueuer with batches of 100, asyncpg and uvloop; procrastinate with a concurrency of 10",
}


def describe(store: str) -> dict[str, str]:
    """In words, by what it is."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {_cpu()}, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(_versions(store)),
        "settings": SETTINGS[store],
    }


def _versions(store: str) -> list[str]:
    names = ("jobyard", *PEERS[store])
    return [f"Python {platform.python_version()}", DATABASES[store](), *map(_version, names)]


def _postgres() -> str:
    with PLACES["postgres"]() as url, psycopg.connect(url) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


DATABASES = {"sqlite": lambda: f"SQLite {sqlite3.sqlite_version}", "postgres": _postgres}


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} (not installed)"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
