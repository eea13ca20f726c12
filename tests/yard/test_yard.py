"""The yard itself: its settings, its life, its threads and processes."""

from __future__ import annotations

import doctest
import multiprocessing
import os
import threading
from importlib import import_module

import pytest

import jobyard
from jobyard import ConfigError, UsageError, Yard
from jobyard.testing import Clock, run_now
from jobyard.yard import yard as module


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """In an empty folder, without settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("JOBYARD_")]:
        monkeypatch.delenv(name)


def test_its_examples_work_as_they_stand_there():
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", ["testing", "aio"])
def test_the_examples_of_other_modules_do_too(name):
    assert doctest.testmod(import_module(f"jobyard.{name}")).failed == 0


def test_without_an_url_jobs_lie_in_the_working_directory(tmp_path):
    with Yard() as yard:
        yard.task(name="t")(lambda: None).enqueue()

        assert yard.url == "sqlite:///jobyard.db"
        assert (tmp_path / "jobyard.db").is_file()


def test_nothing_is_opened_before_its_first_use(tmp_path):
    yard = Yard("sqlite:///new.db")
    task = yard.task(name="t")(lambda: None)
    task.new()
    yard.new(task.op())
    yard.worker()
    repr(yard)

    assert list(tmp_path.iterdir()) == []


def test_the_environment_says_where(tmp_path, monkeypatch):
    monkeypatch.setenv("JOBYARD_URL", "sqlite:///from_environment.db")

    assert Yard().url == "sqlite:///from_environment.db"
    assert Yard("sqlite:///argument.db").url == "sqlite:///argument.db"


def test_settings_are_keywords(tmp_path):
    (tmp_path / "jobyard.toml").write_text('concurrency = 3\nlost_after = "2m"\n')

    yard = Yard("sqlite:///x.db", lost_after=90, user="eve")

    assert (yard.settings.concurrency, yard.settings.lost_after, yard.settings.user) == (3, 90.0, "eve")
    assert yard.settings.sources["concurrency"].endswith("jobyard.toml")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"concurency": 3}, "concurrency"),
        ({"concurrency": 0}, "concurrency"),
        ({"url": "mysql://localhost/x"}, "mysql"),
        ({"url": "sqlite:///x.db?speed=high"}, "speed"),
        ({"keep": "for ever"}, "keep"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(settings, named):
    with pytest.raises(ConfigError, match=named):
        Yard(**settings)


def test_it_is_used_again_after_close(tmp_path):
    yard = Yard("sqlite:///x.db")
    task = yard.task(name="t")(lambda: "done")
    job = task.enqueue()

    yard.close()
    yard.close()

    assert yard.jobs() == [job]
    run_now(yard)
    assert job.wait(0).result == "done"
    yard.close()


def test_a_block_closes_it(tmp_path):
    with Yard("sqlite:///x.db") as yard:
        yard.count()

    assert not (tmp_path / "x.db-wal").exists()


def test_install_twice_and_uninstall(tmp_path):
    with Yard("sqlite:///x.db") as yard:
        yard.install()
        yard.install()
        assert yard.upgrade() == []
        yard.task(name="t")(lambda: None).enqueue()

        yard.uninstall()

        assert yard.count() == {}


def test_fifty_threads_use_one_yard(tmp_path):
    with Yard("sqlite:///x.db?synchronous=normal") as yard:
        add = yard.task(name="add")(lambda a: a + 1)
        failures, barrier = [], threading.Barrier(50)

        def use(number):
            try:
                barrier.wait()
                job = add.enqueue(number)
                assert yard.job(job.id).ops[0].args == (number,)
                job.change_priority(number % 10)
                yard.jobs(limit=3)
                yard.queues.get("default")
                if number % 5 == 0:
                    assert job.cancel()[0]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=use, args=(n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert yard.count(by=("status",)) == {("queued",): 40, ("canceled",): 10}
        assert run_now(yard).succeeded == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork")
def test_a_process_that_forked_has_connections_of_its_own(tmp_path):
    with Yard("sqlite:///x.db") as yard:
        task = yard.task(name="t")(lambda n: n)
        task.enqueue(0)

        children = [multiprocessing.get_context("fork").Process(target=task.enqueue, args=(n,)) for n in (1, 2)]
        for child in children:
            child.start()
        task.enqueue(3)
        for child in children:
            child.join(20)

        assert [child.exitcode for child in children] == [0, 0]
        assert sorted(job.ops[0].args[0] for job in yard.jobs()) == [0, 1, 2, 3]


def test_a_task_is_known_by_module_and_name():
    yard = Yard()

    assert yard.task(name_it).name == f"{name_it.__module__}:name_it"


def name_it(): ...


def test_another_function_under_a_taken_name_is_refused():
    yard = Yard()
    yard.task(name="t")(name_it)

    with pytest.raises(UsageError, match="taken"):
        yard.task(name="t")(lambda: None)


def test_a_renamed_task_runs_what_was_enqueued_under_its_old_name(url):
    with Yard(url) as old:
        job = old.task(name="old name")(lambda: "old").enqueue()
    with Yard(url) as new:
        new.task(name="new name", aliases=["old name"])(lambda: "new")

        assert run_now(new).succeeded == 1
        assert new.job(job.id).result == "new"


def test_what_is_kept_for_long_enough_is_pruned(tmp_path):
    clock = Clock()
    with Yard("sqlite:///x.db", clock=clock, keep="1d", keep_failed="2d") as yard:
        works, fails = yard.task(name="works")(lambda: None), yard.task(name="fails")(lambda: 1 // 0)
        jobs = [works.enqueue(), fails.enqueue(), works.enqueue()]
        jobs[2].suspend()
        run_now(yard)
        clock.advance(86_401)

        assert yard.prune(dry_run=True).jobs == 1
        assert yard.count(by=()) == 3
        assert yard.prune().jobs == 1
        assert yard.jobs(order="id") == jobs[1:]
        clock.advance(86_401)
        yard.prune()
        assert yard.jobs() == [jobs[2]]


def test_at_another_store_for_a_while(tmp_path):
    clock = Clock()
    with Yard("sqlite:///x.db") as yard:
        task = yard.task(name="t")(lambda: "done")
        before = task.enqueue()

        with yard.at("sqlite:///other.db", clock=clock) as same:
            assert same is yard
            assert (yard.url, yard.clock, yard.jobs()) == ("sqlite:///other.db", clock, [])
            job = task.enqueue()
            assert job.received_at == clock.now()
            yard.queues.pause("other")
            assert run_now(yard).succeeded == 1
            assert job.wait(0).result == "done"

        assert (yard.url, yard.clock, yard.jobs()) == ("sqlite:///x.db", None, [before])
        assert before.refresh().status == "queued"
        assert [queue.name for queue in yard.queues.list()] == ["default"]


def test_all_public_names_can_be_imported_with_a_star():
    names: dict[str, object] = {}
    exec("from jobyard import *", names)  # what a user may write

    assert set(jobyard.__all__) <= set(names)
