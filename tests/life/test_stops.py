"""Workers that are told to stop, or stopped without a word: signals, exit codes, late writes."""

import os
import signal
import time

import psutil
import pytest
from tests.support import eventually


def begun(site, name, **options):
    """A job of this task whose code has begun in a worker."""
    count = len(site.lines("began"))
    job = site.tasks[name].using(**options).enqueue()
    eventually(lambda: len(site.lines("began")) > count)
    return job


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_the_first_signal_lets_jobs_come_to_their_end(site, number):
    worker = site.worker(concurrency=1)
    job = begun(site, "hang")
    waiting = site.tasks["pid"].enqueue()
    worker.signal(number)
    eventually(lambda: [w.state for w in site.workers()] == ["stopping"])
    site.let_go()

    assert worker.wait() == 0
    assert job.refresh().result == worker.pid
    assert (waiting.refresh().status, waiting.attempt) == ("queued", 0)
    assert [w.state for w in site.workers()] == ["stopped"]
    site.check()


@pytest.mark.parametrize("isolation", [None, "process"])
def test_after_the_grace_jobs_go_back_without_an_attempt(site, isolation):
    worker = site.worker(shutdown_grace=0.3, cancel_grace=0.1)
    job = begun(site, "hang", isolation=isolation)
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 1
    assert (job.refresh().status, job.attempt, site.crashes(job.id)) == ("queued", 0, 0)
    assert site.lines("ended")[0].endswith(" stopped")
    site.let_go()
    site.worker()
    assert job.wait(10).attempt == 1
    site.check()


def test_the_second_signal_stops_jobs_at_once(site):
    worker = site.worker(shutdown_grace=600, cancel_grace=600)
    job = begun(site, "hang")
    worker.signal(signal.SIGTERM)
    eventually(lambda: [w.state for w in site.workers()] == ["stopping"])
    worker.signal(signal.SIGTERM)

    assert worker.wait(10) == 1
    assert (job.refresh().status, job.attempt) == ("queued", 0)
    site.check()


def test_the_third_signal_ends_the_process_and_its_children(site):
    """What it held is taken back when its heartbeat is missed."""
    worker = site.worker(shutdown_grace=600, cancel_grace=600)
    job = begun(site, "stubborn")
    in_child = begun(site, "stubborn", isolation="process")
    children = worker.children
    eventually(lambda: worker.signal(signal.SIGTERM) or not worker.is_alive)  # two at once are one to the system

    assert worker.wait(10) == 1
    assert psutil.wait_procs(children, timeout=5)[1] == []
    site.worker()
    eventually(lambda: [j.refresh().attempt for j in (job, in_child)] == [2, 2])
    assert [site.crashes(j.id) for j in (job, in_child)] == [1, 1]


def test_a_worker_that_was_stopped_past_its_loss_ends_its_run(site):
    """Meanwhile the job runs elsewhere."""
    first = site.worker()
    job = begun(site, "hang")
    site.freeze(first)
    second = site.worker()
    eventually(lambda: len(site.lines("began")) == 2)
    first.signal(signal.SIGCONT)
    eventually(lambda: site.lines("ended") == [f"{first.pid} stopped"])
    site.let_go()
    job.wait(10)

    assert (job.result, job.attempt, site.crashes(job.id)) == (second.pid, 2, 1)
    second.kill()
    assert site.tasks["pid"].enqueue().wait(10).result == first.pid, "it serves on, as a new incarnation"
    site.check()


def test_the_late_result_of_a_stopped_worker_is_refused(site):
    first = site.worker()
    job = begun(site, "hang")
    site.freeze(first)
    second = site.worker()
    eventually(lambda: len(site.lines("began")) == 2)
    site.let_go()
    job.wait(10)
    first.signal(signal.SIGCONT)
    eventually(lambda: any(line.startswith(str(first.pid)) for line in site.lines("ended")), timeout=30)
    second.kill()
    site.tasks["pid"].enqueue().wait(10)

    assert (job.refresh().result, job.attempt) == (second.pid, 2)
    site.check()


def test_a_short_stop_loses_nothing(site):
    worker = site.worker(lost_after=30)
    other = site.worker(lost_after=30)
    job = begun(site, "hang")
    for process in (worker, other):
        process.signal(signal.SIGSTOP)
    time.sleep(0.5)  # the time that a stop takes is what is tested
    for process in (worker, other):
        process.signal(signal.SIGCONT)
    site.let_go()

    assert (job.wait(10).attempt, site.yard.events(kind="reclaim")) == (1, [])
    site.check()


def test_a_whole_machine_that_slept_loses_nobody(site):
    """All workers were stopped for longer than `lost_after`: whoever wakes first has no right to judge."""
    workers = [site.worker() for _ in range(3)]
    job = begun(site, "hang")
    for process in workers:
        os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)  # longer than lost_after
    for process in workers:
        os.kill(process.pid, signal.SIGCONT)
    time.sleep(0.5)  # a few heartbeats, after which a wrong judgement would have been passed
    site.let_go()

    assert (job.wait(10).attempt, site.yard.events(kind="reclaim")) == (1, [])
    assert [w.state for w in site.workers()] == ["running"] * 3
    site.check()
