"""A newer version upgrades the tables while workers of this one run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import eventually

import jobyard
from jobyard.store import migrate

JOBS = 60
CHANGES = {
    "table": "create table main.later (id integer primary key)",
    "column": "alter table main.jobs add column later integer",
}


class Newer:
    """A copy of jobyard, of which the next version differs by one migration."""

    def __init__(self, site, change):
        self._site = site
        self._folder = site.folder / "newer"
        package = self._folder / "jobyard"
        shutil.copytree(Path(jobyard.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        self.version = migrate.status(site.yard.store.driver).needed + 1
        for dialect in ("sqlite", "postgres"):
            file = package / "store" / dialect / "migrations" / f"{self.version:04}_later.sql"
            file.write_text(f"{CHANGES[change]};\n")
        if change == "column":
            rows = package / "model" / "rows.py"
            before, *after = rows.read_text().split("\n\nclass OpRow(")
            rows.write_text("\n\nclass OpRow(".join([f"{before}    later: int | None = None\n", *after]))

    @property
    def prefix(self):
        """For programs that use it."""
        return ("env", f"PYTHONPATH={self._folder}")

    def upgrade(self):
        subprocess.run(
            [*self.prefix, sys.executable, "-m", "jobyard", "db", "upgrade"],
            env={**os.environ, "JOBYARD_URL": self._site.url},
            check=True,
            capture_output=True,
        )


@pytest.fixture(params=CHANGES)
def newer(site, request):
    return Newer(site, request.param)


def rows(site, columns, where="status = 6"):
    """Not as jobs: this version cannot read the rows of the next one."""
    with site.yard.store.read() as tx:
        return tx.fetch(f"select {columns} from main.jobs where {where} order by id")


def enqueue(site):
    site.yard.enqueue_many([site.tasks["sleep"].new(0.02) for _ in range(JOBS)])


def test_old_workers_stop_in_order_and_new_ones_go_on(site, newer):
    old = site.worker()
    assert site.start("worker", prefix=newer.prefix).wait() == 1
    assert f"run `jobyard --url {shlex.quote(site.url)} db upgrade`" in site.log
    site.tasks["hang"].enqueue()
    enqueue(site)
    eventually(lambda: len(site.lines("began")) > 10)

    newer.upgrade()
    enqueue(site)
    eventually(lambda: [worker.state for worker in site.workers()] != ["running"])
    site.let_go()
    assert old.wait() == 1
    assert f"is of version {newer.version}, made by a newer jobyard" in site.log
    assert "install the newer jobyard here too" in site.log
    assert rows(site, "id", "status in (4, 5)") == []

    enqueue(site)
    new = site.worker(prefix=newer.prefix)
    eventually(lambda: site.yard.count("status") == {("succeeded",): 3 * JOBS + 1}, timeout=30)
    assert rows(site, "attempt, crashes") == [(1, 0)] * (3 * JOBS + 1)
    assert site.yard.events(kind="reclaim") == []
    new.signal(signal.SIGTERM)
    assert new.wait() == 0
    site.check()
