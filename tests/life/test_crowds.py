"""Many processes at one file."""

import signal
import subprocess
import sys
from collections import Counter

import pytest
from tests.support import eventually

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
    workers = [site.worker() for _ in range(2)]
    callers = [site.start("enqueue", str(n * each), str(each)) for n in range(8)]

    assert [caller.wait(300) for caller in callers] == [0] * 8, site.log
    eventually(lambda: site.yard.count(by=("status",)) == {("succeeded",): 8 * each}, timeout=60)
    for worker in workers:
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in workers] == [0, 0]
    assert Counter(map(int, site.lines("runs"))) == dict.fromkeys(range(8 * each), 1)
    assert {job.attempt for job in site.yard.jobs(limit=None)} == {1}
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
