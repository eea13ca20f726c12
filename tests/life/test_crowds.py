"""Many processes at one store, and many jobs."""

import signal
import subprocess
import sys
from collections import Counter

import pytest
from tests.support import eventually

from jobyard import Retry

PATIENT = 60
"""Seconds of silence in which no worker is lost: a crowd on few cores is slow to beat."""
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30)
connection.execute("begin immediate")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.rollback()
"""


@pytest.mark.parametrize("each", [150, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_eight_enqueue_while_two_drain(site, each):
    """None is locked out, none is lost, each job runs once."""
    workers = [site.worker(lost_after=PATIENT) for _ in range(2)]
    callers = [site.start("enqueue", str(n * each), str(each)) for n in range(8)]

    assert [caller.wait(300) for caller in callers] == [0] * 8, site.log
    eventually(lambda: site.yard.count(by=("status",)) == {("succeeded",): 8 * each}, timeout=60)
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]
    assert Counter(map(int, site.lines("runs"))) == dict.fromkeys(range(8 * each), 1)
    assert {job.attempt for job in site.yard.jobs(limit=None)} == {1}
    site.check()


@pytest.mark.parametrize(
    ("claimers", "jobs"),
    [(4, 4000), pytest.param(16, 100_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_claimers_of_one_queue_run_each_job_once(site, claimers, jobs):
    """They begin together: the queue is paused until all are there."""
    site.yard.queues.pause("default")
    _enqueue(site, site.tasks["note"], [(n,) for n in range(jobs)])
    workers = [site.start("worker", lost_after=PATIENT) for _ in range(claimers)]
    eventually(lambda: len(site.workers()) == claimers, timeout=120)
    site.yard.queues.resume("default")

    eventually(lambda: site.yard.count(by=("status",)) == {("succeeded",): jobs}, timeout=600)
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0] * claimers
    assert Counter(map(int, site.lines("runs"))) == dict.fromkeys(range(jobs), 1)
    with site.yard.store.read() as tx:
        assert tx.fetch("select distinct attempt, crashes from main.jobs") == [(1, 0)]
        assert len(tx.fetch("select distinct worker from main.jobs")) > 1
    site.check()


@pytest.mark.parametrize("storm", [1000, pytest.param(50_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_a_storm_of_retries_starves_no_fresh_job(site, storm):
    """
    A fresh job has its turn behind those that were due before it: each failing one is begun once more till then.

    Twice if it fails within the milliseconds by which the clocks of caller and worker differ: each measures the
    server's.
    """
    failing = site.tasks["fail"].using(retry=Retry(attempts=4, delay=0))
    _enqueue(site, failing, [()] * storm)
    worker = site.worker(lost_after=PATIENT)
    fresh = []
    for tenth in range(5, 35, 5):
        eventually(lambda tenth=tenth: _failures(site) >= storm * tenth // 10, timeout=300)
        fresh.append((site.tasks["pid"].enqueue(), _last_begun(site)))

    eventually(lambda: site.yard.count(by=("status",)) == {("failed",): storm, ("succeeded",): 6}, timeout=600)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert _failures(site) == 4 * storm
    before = [_begun_before(site, job, enqueued) for job, enqueued in fresh]
    assert any(before), "the storm was on when they came"
    assert [max(counts, default=0) <= 2 for counts in before] == [True] * len(fresh)
    site.check()


@pytest.mark.parametrize("seconds", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_a_foreign_lock_makes_all_wait_and_loses_nobody(site, seconds):
    """Somebody else's program holds the write lock for longer than `lost_after`."""
    if site.yard.store.driver.dialect != "sqlite":
        pytest.skip("only SQLite has one lock for all writers")
    workers = [site.worker() for _ in range(2)]
    job = site.tasks["hang"].enqueue()
    eventually(lambda: site.lines("began"))
    holder = subprocess.Popen([sys.executable, "-c", HOLD, site.file, str(seconds)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    site.let_go()
    waiting = site.tasks["pid"].enqueue()
    assert holder.poll() is not None, "the call waited for the lock"
    waiting.wait(10)
    job.wait(10)
    holder.stdout.close()

    assert [j.attempt for j in (job, waiting)] == [1, 1]
    assert site.yard.events(kind="reclaim") == []
    beats = [w.heartbeat for w in site.workers()]
    eventually(lambda: all(w.heartbeat > beat for w, beat in zip(site.workers(), beats, strict=True)))
    assert [w.state for w in site.workers()] == ["running"] * 2
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]
    site.check()


def _enqueue(site, task, calls):
    for first in range(0, len(calls), 10_000):
        site.yard.enqueue_many([task.new(*args) for args in calls[first : first + 10_000]])


BEGUN = """
    (select job, started_at from main.attempts
    union all select id, started_at from main.jobs where started_at is not null) as begun"""


def _failures(site):
    with site.yard.store.read() as tx:
        rows = tx.fetch("select count(*) from main.attempts union all select count(*) from main.jobs where status = 7")
    return sum(count for (count,) in rows)


def _last_begun(site):
    """The instant of the last claim, by the worker's own clock."""
    with site.yard.store.read() as tx:
        return tx.fetch(f"select max(started_at) from {BEGUN}")[0][0]


def _begun_before(site, job, since):
    """How often each other job was begun after that instant, and before this one."""
    started = job.refresh().started_at
    values = {"since": since, "started": round(started.timestamp() * 1e6)}
    with site.yard.store.read() as tx:
        found = tx.fetch(
            f"select job, count(*) from {BEGUN} where started_at > :since and started_at < :started group by job",
            values,
        )
    return [count for _, count in found]
