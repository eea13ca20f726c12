"""Jobs in child processes: what a thread could not survive, and what they can do nevertheless."""

import os
import signal

import psutil
import pytest
from tests.support import eventually
from tests.worker import in_children
from tests.worker.serving import heard, serving

from jobyard.errors import UsageError
from jobyard.model.events import ChildDied, JobFinished, JobsClaimed


@pytest.fixture
def yard(make_yard):
    return make_yard(app=in_children.HERE, max_crashes=2)


@pytest.fixture
def tasks(yard):
    return {name: task.using(isolation="process") for name, task in in_children.register(yard).items()}


def run(yard, **options):
    return yard.worker(**{"concurrency": 2, **options}).run_until_idle()


@pytest.mark.parametrize(
    ("name", "args", "how"),
    [
        ("leave", (7,), "exited with code 7"),
        ("leave", (0,), "exited with code 0"),
        ("crash", (), "SIGSEGV"),
        ("shoot_itself", (), "SIGKILL"),
    ],
)
def test_the_death_of_a_child_counts_as_a_crash_of_its_job_alone(yard, tasks, name, args, how):
    deaths, finished = heard(yard, ChildDied), heard(yard, JobFinished)
    job = tasks[name].enqueue(*args)
    others = [tasks["pid"].enqueue() for _ in range(3)]
    summary = run(yard)

    assert (summary.succeeded, summary.failed) == (3, 1)
    assert (job.refresh().status, job.attempt) == ("failed", 2)
    assert how in str(job.error)
    assert {other.refresh().status for other in others} == {"succeeded"}
    events = yard.events(kind="reclaim", job=job)
    assert [(e.data["crashes"], e.data["status"]) for e in reversed(events)] == [(1, "queued"), (2, "failed")]
    assert how in events[0].data["why"]
    assert [attempt.outcome for attempt in job.attempts] == ["crashed", "failed"]
    assert [(death.jobs, how in death.how) for death in deaths] == [((job.id,), True)] * 2
    [seconds] = [end.seconds for end in finished if end.job == job.id]
    assert 0 < seconds < 30


@pytest.mark.parametrize(("name", "error"), [("leave_politely", "SystemExit"), ("interrupt", "KeyboardInterrupt")])
def test_what_ends_programs_is_a_failure_in_a_child_too(yard, tasks, name, error):
    job = tasks[name].enqueue()
    run(yard)

    assert (job.refresh().status, job.error.type, job.attempt) == ("failed", error, 1)


def test_what_a_job_leaves_behind_is_not_found_by_the_next(yard, tasks, tmp_path):
    for task, args in (("wander", (str(tmp_path),)), ("litter", ()), ("leave_politely", ())):
        tasks[task].enqueue(*args)
        job = tasks["surroundings"].enqueue()
        run(yard, concurrency=1)
        assert job.refresh().result == [os.getcwd(), None, []]


def test_a_flood_of_output_is_kept_within_limits_and_harms_nobody(make_yard):
    yard = make_yard(app=in_children.HERE, max_log=[100, "1M"])
    tasks = in_children.register(yard)
    job = tasks["flood"].using(isolation="process").enqueue()
    summary = run(yard)
    entries = job.refresh().get_log_entries()

    assert summary.succeeded == 1
    assert 100 <= len(entries) < 1000
    assert entries[0].message.startswith("line 0 ")
    assert entries[-1].message.startswith("line 29999 ")
    assert [entry.serial for entry in entries] == list(range(1, len(entries) + 1))


def test_a_memory_limit_fails_the_job(yard, tasks):
    job = tasks["eat"].using(memory_limit="300M").enqueue()
    fine = tasks["pid"].enqueue()
    run(yard)

    assert (job.refresh().status, fine.refresh().status) == ("failed", "succeeded")
    assert "MemoryError" in str(job.error) or "memory_limit" in str(job.error)


def test_children_enqueue_report_and_beat(yard, tasks):
    job = tasks["tell"].enqueue()
    run(yard)

    child = yard.job(job.refresh().result)
    assert child.status == "succeeded"
    assert [(p.group, p.current, p.total, p.status) for p in job.progress] == [(("a", "b"), 1, 2, "half")]
    assert job.logtail == "alive"


def test_processes_spread_the_slots(yard):
    tasks = in_children.register(yard)
    jobs = [tasks["silent"].enqueue(0.05) for _ in range(4)] + [tasks["pid"].enqueue() for _ in range(40)]
    summary = run(yard, concurrency=4, processes=2)

    assert summary.succeeded == 44
    pids = {job.refresh().result for job in jobs[4:]}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_the_death_of_a_child_that_runs_jobs_side_by_side(make_yard, tmp_path):
    """Those that had begun are reclaimed, those in line go on; the child is replaced."""
    yard = make_yard(app=in_children.HERE)
    tasks = in_children.register(yard)
    with serving(yard, concurrency=2, processes=2):
        markers = [tmp_path / "a", tmp_path / "b"]
        spinning = [tasks["spin"].enqueue(str(marker)) for marker in markers]
        eventually(lambda: all(marker.exists() for marker in markers))
        for marker in markers:
            marker.unlink()
        for pid in in_children_pids():
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: all(marker.exists() for marker in markers))
        assert [(job.refresh().attempt, job.status) for job in spinning] == [(2, "running")] * 2
        for job in spinning:
            job.cancel()
        yard.wait(spinning, timeout=10)


def in_children_pids():
    return [child.pid for child in psutil.Process().children() if "jobyard.worker.child" in " ".join(child.cmdline())]


def test_no_child_is_left_when_the_worker_has_ended(yard, tasks):
    tasks["pid"].enqueue()
    run(yard)

    eventually(lambda: in_children_pids() == [])


def test_children_are_replaced_after_max_jobs(yard):
    tasks = in_children.register(yard)
    jobs = [tasks["nap"].enqueue() for _ in range(20)]
    worker = yard.worker(concurrency=1, processes=2)
    worker.max_jobs = 3
    summary = worker.run_until_idle()

    assert summary.succeeded == 20
    assert len({job.refresh().result for job in jobs}) >= 3


def test_a_task_that_children_cannot_import_is_refused_at_the_start(make_yard):
    yard = make_yard()

    @yard.task(isolation="process")
    def local() -> None: ...

    with pytest.raises(UsageError, match="child processes"):
        run(yard)
    elsewhere = make_yard(app=in_children.HERE)
    elsewhere.task(local.decorated, isolation="process", name="nowhere")
    with pytest.raises(UsageError, match="nowhere"):
        run(elsewhere)


def test_what_was_given_back_unbegun_is_not_measured(yard):
    """Else a task that becomes slow seems endlessly quick: its jobs are claimed and given back, again and again."""
    nap = in_children.register(yard)["nap"]
    claims = heard(yard, JobsClaimed)
    yard.enqueue_many([nap.new(seconds) for seconds in [0.0] * 20 + [0.02] * 100])
    run(yard, processes=2)

    assert sum(claim.count for claim in claims) <= 4 * 120  # without the measure it is thousands
