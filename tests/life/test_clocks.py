"""Machines whose clocks are a day wrong: all that counts is the database's."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta

import pytest
from tests.life import astray
from tests.support import eventually

from jobyard import Retry
from jobyard.model.instants import from_micros

LOST_AFTER = 2
TOLERANCE = timedelta(seconds=1)


def off(days):
    """The prefix of a program that runs on a machine whose clock is so many days ahead."""
    return (sys.executable, astray.__file__, str(days * 86_400))


@pytest.fixture
def crowd(site):
    """Two workers with one slot each, two days apart."""
    if site.yard.store.driver.dialect == "sqlite":
        pytest.skip("the clock of the machine is SQLite's own: all processes of a file share it")
    return [site.worker(prefix=off(days), concurrency=1, lost_after=LOST_AFTER) for days in (1, -1)]


def now(site):
    """By the database's clock."""
    with site.yard.store.read() as tx:
        return tx.fetch("select clock_timestamp()")[0][0]


def all_held(site, crowd):
    """A job in the only slot of each worker."""
    jobs = [site.tasks["hang"].enqueue() for _ in crowd]
    eventually(lambda: len(site.lines("began")) == len(crowd))
    return jobs


def stop(crowd):
    for worker in crowd:
        worker.signal(signal.SIGTERM)
    assert [worker.wait() for worker in crowd] == [0] * len(crowd)


def test_nobody_is_lost_and_nothing_is_reclaimed(site, crowd):
    jobs = all_held(site, crowd)
    until = now(site) + timedelta(seconds=1.5 * LOST_AFTER)
    eventually(lambda: all(from_micros(worker.heartbeat) > until for worker in site.workers()))
    site.let_go()

    assert [job.wait(10).attempt for job in jobs] == [1, 1]
    assert site.yard.events(kind="reclaim") == []
    stop(crowd)
    assert [worker.state for worker in site.workers()] == ["stopped", "stopped"]
    site.check()


@pytest.mark.parametrize("killed", [0, 1], ids=["ahead", "behind"])
def test_a_worker_that_is_killed_is_missed_by_the_other(site, crowd, killed):
    jobs = all_held(site, crowd)
    gone = crowd.pop(killed)
    gone.kill()
    site.let_go()

    assert sorted(job.wait(10).attempt for job in jobs) == [1, 2]
    [event] = site.yard.events(kind="reclaim")
    assert str(gone.pid) in event.data["why"]
    stop(crowd)
    site.check()


def test_what_is_due_runs_then_and_each_instant_is_the_databases(site, crowd):
    since = now(site)
    callers = [site.start("enqueue", str(n), "20", prefix=off(days)) for n, days in ((0, 1), (20, -1))]
    said = [site.tasks["say"].enqueue("hello") for _ in range(10)]
    later = site.tasks["note"].using(due=timedelta(seconds=1)).enqueue(40)
    again = site.tasks["fail"].using(retry=Retry(attempts=2, delay=1)).enqueue()

    assert [caller.wait() for caller in callers] == [0, 0]
    eventually(lambda: site.yard.count(("status",)) == {("succeeded",): 51, ("failed",): 1}, timeout=20)
    stop(crowd)
    assert later.refresh().started_at >= later.due
    first, second = again.refresh().attempts
    assert second.started_at - first.ended_at > timedelta(seconds=0.8)
    instants = [entry.at for job in said for entry in job.get_log_entries()]
    assert len(instants) == len(said)
    for job in site.yard.jobs(limit=None):
        instants += [job.received_at, job.due, job.started_at, job.ops[0].exec_at, job.ended_at]
    assert since - TOLERANCE < min(instants)
    assert max(instants) < now(site) + TOLERANCE
    site.check()
