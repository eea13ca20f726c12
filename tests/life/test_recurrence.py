"""Recurring definitions while their workers are killed: always one unfinished job each, and no slot twice."""

from collections import Counter

import pytest
from tests.support import eventually

from jobyard.model.newjob import options_of

NAMES = [f"d{index}" for index in range(8)]


@pytest.mark.parametrize("kills", [pytest.param(3, id="3"), pytest.param(40, id="40", marks=pytest.mark.soak)])
def test_kills_leave_one_job_for_each_and_no_slot_to_two(site, kills):
    for index, name in enumerate(NAMES):
        site.yard.definitions.add(name, "note", [index], every=0.02, overlap="allow" if index % 2 else "skip")
    workers = [site.worker(), site.worker()]
    for kill in range(kills):
        size = site.size("runs")
        eventually(lambda size=size: site.size("runs") > size + 60, timeout=30)
        workers[kill % 2].kill()
        workers[kill % 2] = site.worker()
    size = site.size("runs")
    eventually(lambda: site.size("runs") > size + 60, timeout=30)
    for worker in workers:
        worker.kill()
    site.worker()
    for name in NAMES:
        site.yard.definitions.pause(name)
    eventually(lambda: not site.yard.jobs(status={"running"}))
    for name in NAMES:
        rows = _rows(site, name)
        slots = Counter(options_of(row.options).slot for row in rows)
        assert max(slots.values()) == 1, name
        assert site.yard.definitions.get(name).job is None
        site.yard.definitions.resume(name)
        assert site.yard.definitions.get(name).job is not None
    site.check()


def _rows(site, name):
    with site.yard.store.read() as tx:
        jobs = site.yard.jobs(definition=name, limit=None)
        return list(site.yard.store.jobs.get_many(tx, [job.id for job in jobs]).values())
