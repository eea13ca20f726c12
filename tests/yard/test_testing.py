"""What tests of users' code are given."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import subprocess
import sys
import threading
from contextlib import ExitStack

import pytest

from jobyard import Summary, Yard, ctx
from jobyard.errors import StoreBusy
from jobyard.store import open_store
from jobyard.testing import enqueued, run_now

variable = contextvars.ContextVar("variable", default="outside")


def test_jobs_run_in_this_thread(yard):
    @yard.task(name="where")
    def where():
        return threading.current_thread() is threading.main_thread(), variable.get()

    @yard.task(name="where in a coroutine")
    async def where_async():
        await asyncio.sleep(0)
        return threading.current_thread() is threading.main_thread(), variable.get()

    variable.set("inside")
    jobs = [where.enqueue(), where_async.enqueue(), where.using(isolation="process").enqueue()]

    assert run_now(yard) == Summary(3, 0, 0, 0, 0, 0)
    assert [job.wait(0).result for job in jobs] == [(True, "inside")] * 3


def test_within_a_running_loop_coroutines_have_another(yard):
    @yard.task(name="nap")
    async def nap():
        await asyncio.sleep(0)
        return "slept"

    async def main():
        return run_now(yard)

    job = nap.enqueue()

    assert asyncio.run(main()).succeeded == 1
    assert job.wait(0).result == "slept"


def test_all_that_is_ready_runs_and_what_becomes_ready_too(yard, tasks, clock):
    tasks.spawn.enqueue()
    first = tasks.add.enqueue(1)
    tasks.add.enqueue(first)
    tasks.echo.enqueue().suspend()
    tasks.fail.using(retry=2).enqueue()
    tasks.skip.enqueue()
    tasks.give_up.enqueue()
    tasks.fail.enqueue()

    assert run_now(yard) == Summary(succeeded=4, failed=1, skipped=1, canceled=1, retried=1, left=2)
    assert run_now(yard) == Summary(0, 0, 0, 0, 0, 2)
    clock.advance(3600)
    assert run_now(yard) == Summary(0, 1, 0, 0, 0, 1)


def test_monkeypatch_caplog_and_closures_work(yard, monkeypatch, caplog):
    monkeypatch.setenv("SHOP", "open")

    @yard.task(name="look")
    def look():
        logging.getLogger("shop").warning("looking")
        return os.environ["SHOP"]

    job = look.enqueue()
    run_now(yard)

    assert job.wait(0).result == "open"
    assert "looking" in caplog.messages


@pytest.mark.parametrize("is_async", [False, True])
def test_timeouts_reach_this_thread(yard, is_async):
    @yard.task(name="slow", timeout=0.05)
    def slow():
        while True:
            ctx.progress(0)

    @yard.task(name="slow async", timeout=0.05)
    async def slow_async():
        await asyncio.sleep(60)

    job = (slow_async if is_async else slow).enqueue()

    assert run_now(yard).failed == 1
    assert "JobTimeout" in str(job.refresh().error)


def test_a_job_that_asks_for_its_cancel_is_told(yard):
    @yard.task(name="cancel_me")
    async def cancel_me():
        await yard.job(ctx.job.id).acancel()
        await asyncio.sleep(10)

    job = cancel_me.enqueue()

    assert run_now(yard).canceled == 1
    assert job.refresh().status == "canceled"


def test_an_interrupt_of_the_person_at_the_keyboard_is_a_failure_of_the_job(yard):
    @yard.task(name="interrupted")
    def interrupted():
        raise KeyboardInterrupt

    interrupted.enqueue()

    assert run_now(yard).failed == 1


def test_a_yard_that_cannot_be_run_says_so(yard, tasks, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError("refused")

    monkeypatch.setattr(yard.store.workers, "add", refuse)

    with pytest.raises(OSError, match="refused"):
        run_now(yard)


def test_the_error_of_a_store_that_refuses_is_raised(make_yard, url, clock):
    yard = make_yard(busy_timeout=0.2)
    other = open_store(url, clock=clock)
    held = ExitStack()

    @yard.task
    def hold() -> None:
        other.jobs.lock(held.enter_context(other.transaction()), job.id)

    job = hold.enqueue()
    with held, pytest.raises(StoreBusy):
        run_now(yard)
    other.close()


def test_enqueued_are_the_jobs_that_call_the_task_oldest_first(yard, tasks):
    jobs = [tasks.add.enqueue(1), yard.enqueue(tasks.echo.op(), tasks.add.op(2)), tasks.add.enqueue(3)]
    tasks.echo.enqueue()
    run_now(yard)

    assert enqueued(tasks.add) == jobs
    assert enqueued(tasks.fail) == []


def test_enqueued_knows_the_old_names_of_a_task(yard, tasks):
    job = tasks.echo.enqueue()
    renamed = yard.task(name="echo two")(lambda: None)
    assert enqueued(renamed) == []
    assert enqueued(tasks.echo.using(queue="other")) == [job]


SHOP = """
from jobyard import Yard

yard = Yard("sqlite:///production.db")

@yard.task
def thumbnail(path: str) -> str:
    return path.replace(".", ".thumb.")

def add_picture(path):
    return thumbnail.enqueue(path)
"""

TEST = """
import shop
from jobyard.testing import enqueued, run_now

def test_a_picture_gets_a_thumbnail(yard):
    assert yard is shop.yard
    shop.add_picture("cat.png")
    [job] = enqueued(shop.thumbnail)
    assert job.ops[0].args == ("cat.png",)
    assert run_now(yard).succeeded == 1
    assert job.refresh().result == "cat.thumb.png"

def test_another_test_has_an_empty_store(yard):
    assert yard.jobs() == []
    shop.thumbnail.using(due=yard.clock.now()).enqueue("dog.png")
    yard.clock.advance(3600)
    assert run_now(yard).succeeded == 1
"""

ALONE = """
from jobyard.testing import run_now

def test_a_yard_of_its_own(yard):
    job = yard.task(name="t")(lambda: 5).enqueue()
    assert run_now(yard).succeeded == 1
    assert job.wait(0).result == 5
"""


def pytest_in(folder, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("where", ["pytest.ini", "jobyard.toml"])
def test_the_fixture_is_the_yard_of_the_application_on_an_empty_store(tmp_path, where):
    settings = {"pytest.ini": "[pytest]\njobyard_app = shop:yard\n", "jobyard.toml": 'app = "shop:yard"\n'}
    (tmp_path / where).write_text(settings[where])
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TEST)

    done = pytest_in(tmp_path)

    assert "2 passed" in done.stdout, done.stdout
    assert not (tmp_path / "production.db").exists()


def test_without_an_application_it_is_a_yard_of_its_own(tmp_path):
    (tmp_path / "test_alone.py").write_text(ALONE)

    done = pytest_in(tmp_path)

    assert "1 passed" in done.stdout, done.stdout


def test_an_application_that_is_no_yard_is_said(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\njobyard_app = os:path\n")
    (tmp_path / "test_alone.py").write_text(ALONE)

    done = pytest_in(tmp_path)

    assert "os:path is" in done.stdout
    assert "1 error" in done.stdout


def test_a_yard_without_tasks_leaves_what_is_there(yard, tasks, url, clock):
    tasks.echo.enqueue()
    with Yard(url, clock=clock) as other:
        assert run_now(other) == Summary(0, 0, 0, 0, 0, left=1)
