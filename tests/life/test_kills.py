"""Workers and children that are killed, at any instant: nothing is lost, and what was stored is not run again."""

import os
import random
import signal
from collections import Counter

import psutil
import pytest
from tests.support import eventually

KILLS = [pytest.param(5, id="5"), pytest.param(100, id="100", marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
JOBS = 2000


def test_a_job_of_a_killed_worker_runs_again_once(site):
    first = site.worker()
    job = site.tasks["hang"].enqueue()
    eventually(lambda: site.lines("began") == [str(first.pid)])
    second = site.worker()
    first.kill()
    eventually(lambda: len(site.lines("began")) == 2)
    site.let_go()
    job.wait(10)

    assert (job.result, job.attempt, site.crashes(job.id)) == (second.pid, 2, 1)
    assert site.lines("began") == [str(first.pid), str(second.pid)]
    assert [(a.number, a.outcome) for a in job.attempts] == [(1, "crashed"), (2, "succeeded")]
    [event] = site.yard.events(kind="reclaim", job=job)
    assert str(first.pid) in event.data["why"]
    site.check()


def test_the_death_of_a_child_is_seen_at_once(site):
    """Long before a heartbeat would be missed."""
    worker = site.worker(lost_after=600, heartbeat=60)
    job = site.tasks["hang"].using(isolation="process").enqueue()
    [pid] = eventually(lambda: site.lines("began"))
    assert int(pid) != worker.pid
    os.kill(int(pid), signal.SIGKILL)
    eventually(lambda: len(site.lines("began")) == 2)
    site.let_go()
    job.wait(10)

    assert (job.attempt, site.crashes(job.id)) == (2, 1)
    assert "SIGKILL" in str(job.attempts[0].error)
    site.check()


@pytest.mark.parametrize("kills", KILLS)
def test_kills_at_random_instants_of_a_drain_lose_nothing(site, kills):
    """What was stored as done is not run again; what runs again was held at a kill."""
    stored: dict[int, int] = {}
    unflushed = 0
    for kill in range(kills):
        _enqueue(site, "note", kill * JOBS)
        size = site.size("runs")
        worker = site.worker()
        instant = random.randrange(JOBS * 4)  # bytes; all that the first jobs write is a little more
        eventually(lambda size=size, instant=instant: site.size("runs") - size >= instant, timeout=120)
        worker.kill()
        with site.yard.store.read() as tx:
            rows = tx.fetch("select id, status, epoch from main.jobs where status in (4, 6)")
        unflushed += sum(status == 4 for _, status, _ in rows)
        ended = {id: epoch for id, status, epoch in rows if status == 6}
        assert {id: epoch for id, epoch in stored.items() if ended.get(id) != epoch} == {}
        stored = ended
    _drain(site)

    with site.yard.store.read() as tx:
        jobs = {
            int(r): (a, c) for r, a, c in tx.fetch("select result, attempt, crashes from main.jobs where status = 6")
        }
    runs = Counter(map(int, site.lines("runs")))
    assert len(jobs) == kills * JOBS, "each job has its own result"
    assert runs.keys() == jobs.keys(), "each has run"
    assert all(count == 1 or jobs[n][0] >= count for n, count in runs.items()), "none ran more often than it was begun"
    assert sum(runs.values()) - len(runs) <= unflushed
    assert all(attempt == crashes + 1 for attempt, crashes in jobs.values())
    site.check()


@pytest.mark.parametrize(
    "kills",
    [pytest.param(4, id="4"), pytest.param(40, id="40", marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_work_and_outcome_are_committed_together_or_not_at_all(site, kills):
    """`ctx.finish`: whenever the worker is killed, each entry is booked exactly once."""
    with site.yard.store.transaction() as tx:
        tx.execute("create table main.booked (n integer)")
    count = 100
    for kill in range(kills):
        _enqueue(site, "book", kill * count, count)
        worker = site.worker()
        instant = kill * count + random.randrange(count)
        eventually(lambda instant=instant: len(_booked(site)) >= instant, timeout=120)
        worker.kill()
    _drain(site)

    assert sorted(_booked(site)) == list(range(kills * count))
    results = [job.result for job in site.yard.jobs(limit=None, order="id")]
    assert results == [f"booked {n}" for n in range(kills * count)]
    site.check()


def test_a_job_that_kills_its_workers_is_poison(site):
    job = site.tasks["die"].enqueue()
    fine = site.tasks["pid"].using(after={job: {"failed"}}).enqueue()
    for _ in range(3):
        assert site.worker(max_crashes=3).wait() == -signal.SIGKILL
    last = site.worker(max_crashes=3)
    fine.wait(20)
    job.refresh()

    assert (job.status, job.attempt, site.crashes(job.id)) == ("failed", 3, 2)
    assert "poison" in str(job.error)
    assert fine.result == last.pid
    assert [e.data["crashes"] for e in reversed(site.yard.events(kind="reclaim", job=job))] == [1, 2, 3]
    site.check()


def test_no_process_outlives_its_worker(site):
    worker = site.worker(processes=2)
    site.tasks["stubborn"].using(isolation="process").enqueue()
    site.tasks["hang"].enqueue()
    eventually(lambda: len(site.lines("began")) == 2)
    children = worker.children
    assert len(children) >= 3
    worker.kill()

    gone, alive = psutil.wait_procs(children, timeout=5)
    assert (len(gone), alive) == (len(children), [])


def _enqueue(site, task, first, count=JOBS):
    site.yard.enqueue_many([site.tasks[task].new(first + n) for n in range(count)])


def _booked(site):
    with site.yard.store.read() as tx:
        return [n for (n,) in tx.fetch("select n from main.booked")]


def _drain(site):
    worker = site.worker()
    eventually(lambda: all(status == "succeeded" for (status,) in site.yard.count(by=("status",))), timeout=300)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
