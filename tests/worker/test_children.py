"""Child processes: what they run, how they die, and what becomes of their runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from tests.support import eventually
from tests.worker.support import Ear, row, run, run_ops

from jobyard.errors import UsageError
from jobyard.model.messages import Cancel, Deadline, Ended, Enqueue, NotBegun, Outcome, Reply, Run, Stack, StackTaken
from jobyard.model.newjob import NewJob
from jobyard.model.traceback import RemoteError, StackTrace
from jobyard.worker.child_host import ChildHost, Parent
from jobyard.worker.children import Children
from jobyard.worker.isolated import IsolatedHost
from jobyard.worker.shop import HostOptions

APP = "tests.worker.app:app"


@contextmanager
def raising(
    kind: type[Parent], *, slots: int = 2, app: str = APP, options: HostOptions | None = None
) -> Iterator[tuple[Any, Ear]]:
    """A host in children, and what they say."""
    ear = Ear()
    children = Children(app, send=ear, options=options)
    children.start()
    host = kind(children, slots=slots)
    host.start()
    try:
        yield host, ear
    finally:
        host.stop()
        children.stop()


BOTH = pytest.mark.parametrize("kind", [ChildHost, IsolatedHost])


@BOTH
def test_a_child_returns_results(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("add", id=1, args="[[1, 2]]"), run("aadd", id=2, args='[[3], {"b": 4}]')])
        host.run([run_ops(("add", "[[5, 6]]"), ("aadd", "[[7, 8]]"), id=3)])

        assert (ear.outcome(1).result, ear.outcome(2).result) == ("3", "7")
        assert [(o.op, o.result, o.more) for o in ear.outcomes(2, id=3)] == [(0, "11", True), (1, "15", False)]


@BOTH
def test_a_child_reports_errors_with_their_frames(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("fail", args='[["torn"]]')])
        outcome = ear.outcome()

    error = RemoteError.from_json(outcome.error)
    assert (outcome.ended, error.summary, error.frames[0].locals) == (
        Ended.RAISED,
        "ValueError: torn",
        {"text": "'torn'"},
    )


def test_an_isolated_job_runs_in_the_main_thread_and_its_child_is_used_again():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("where", id=1)])
        first = ear.outcome(1).result
        host.run([run("where", id=2)])

        assert ear.outcome(2).result == first
        assert msgspec.json.decode(first)[1] is True


def test_isolated_jobs_run_side_by_side_each_in_its_child():
    with raising(IsolatedHost) as (host, ear):
        host.run(
            [run("spin_until_canceled", id=1), run("spin_until_canceled", id=2), run("add", id=3, args="[[1, 1]]")]
        )
        eventually(lambda: host.busy == 2 and len(host.pids) == 2)

        assert ear.of(Outcome) == []
        host.tell([Cancel(1, 1, "cancel", 5), Cancel(2, 1, "drain", 5)])
        assert (ear.outcome(1).ended, ear.outcome(2).ended) == (Ended.CANCELED, Ended.DRAINED)
        assert ear.outcome(3).result == "2"


@pytest.mark.parametrize(
    ("task", "args", "how"),
    [("crash", "[]", "was killed by SIGSEGV"), ("leave", "[[7]]", "exited with code 7"), ("leave", "[[0]]", "code 0")],
)
@BOTH
def test_the_death_of_a_child_names_exit_code_or_signal(kind: type[Parent], task: str, args: str, how: str):
    with raising(kind) as (host, ear):
        host.run([run(task, id=1, args=args)])
        outcome = ear.outcome(1)
        host.run([run("add", id=2, args="[[1, 2]]")])

        assert (outcome.ended, outcome.types[0]) == (Ended.CRASHED, "jobyard.errors:JobCrashed")
        assert how in RemoteError.from_json(outcome.error).message
        assert ear.outcome(2).result == "3"


def test_what_a_dead_child_had_not_begun_is_run_by_the_next():
    with raising(ChildHost, slots=1) as (host, ear):
        host.run([run("sleep", id=1, args="[[60]]"), *(run("add", id=id, args="[[1, 2]]") for id in range(2, 10))])
        eventually(lambda: host.begun(1, 1))
        os.kill(host.pids[0], signal.SIGKILL)

        assert ear.outcome(1).ended == Ended.CRASHED
        assert [ear.outcome(id).result for id in range(2, 10)] == ["3"] * 8


def test_only_the_runs_that_had_begun_count_as_crashed():
    with raising(ChildHost, slots=2) as (host, ear):
        host.run(
            [run("sleep", id=1, args="[[60]]"), run("leave", id=2, args="[[1]]"), run("add", id=3, args="[[1, 2]]")]
        )

        assert ear.outcome(3).result == "3"
        assert {o.id: o.ended for o in ear.of(Outcome)} == {1: "crashed", 2: "crashed", 3: "returned"}


def test_the_death_of_a_child_is_seen_though_another_process_has_its_descriptors():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("fork_and_leave")])

        assert "SIGKILL" in RemoteError.from_json(ear.outcome().error).message


def test_sys_exit_fails_the_job_and_leaves_the_child():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("where", id=1), run("leave_politely", id=2), run("where", id=3)])

        assert ear.outcome(2).types[0] == "builtins:SystemExit"
        assert ear.outcome(1).result is not None


@pytest.mark.parametrize("task", ["sleep", "runaway"])
def test_an_isolated_job_that_runs_too_long_is_interrupted(task: str):
    """Also in a blocking call, and in code that holds the interpreter but looks for signals."""
    with raising(IsolatedHost) as (host, ear):
        host.run([run(task, args="[[60]]" if task == "sleep" else "[]", timeout=0.2)])
        outcome = ear.outcome()

    (taken,) = ear.of(StackTaken)
    assert outcome.ended == Ended.TIMEOUT
    assert "its timeout of 0.2 s" in RemoteError.from_json(outcome.error).message
    assert StackTrace.from_json(taken.stack).frames[0].function == task
    assert len(ear.of(Deadline)) == 1


@pytest.mark.parametrize("task", ["stubborn", "hang"])
def test_an_isolated_job_that_does_not_stop_is_killed(task: str):
    with raising(IsolatedHost, options=HostOptions(give_up=0.3)) as (host, ear):
        host.run([run(task, id=1, timeout=0.2), run(task, id=2)])
        outcome = ear.outcome(1)
        host.tell([Cancel(2, 1, "drain", 0)])

        assert outcome.ended == Ended.TIMEOUT
        assert "was killed by SIGKILL" in RemoteError.from_json(outcome.error).message
        assert ear.outcome(2).ended == Ended.DRAINED
        assert len(ear.of(Deadline, 1)) == 1


@BOTH
def test_a_canceled_run_in_a_child_stops(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("spin_until_canceled", id=1)])
        eventually(lambda: host.begun(1, 1))
        host.tell([Cancel(1, 1, "cancel", 60)])

        assert ear.outcome(1).ended == Ended.CANCELED


@BOTH
def test_what_has_not_begun_is_canceled_or_taken_back(kind: type[Parent]):
    with raising(kind, slots=1) as (host, ear):
        host.run([run("spin_until_canceled", id=1), *(run("add", id=id, args="[[1, 2]]") for id in (2, 3, 4))])
        eventually(lambda: host.begun(1, 1))

        host.tell([Cancel(2, 1, "cancel", 5)])
        assert ear.outcome(2).ended == Ended.CANCELED
        taken = host.take_back([(1, 1), (3, 1)])
        eventually(lambda: {*taken, *((m.id, m.epoch) for m in ear.of(NotBegun))} == {(3, 1)})
        host.tell([Cancel(1, 1, "cancel", 5)])
        assert ear.outcome(4).result == "3"


@BOTH
def test_the_stack_of_a_run_in_a_child_is_taken(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("sleep", args="[[60]]")])
        eventually(lambda: host.begun(1, 1))
        host.tell([Stack(5, 1, 1)])
        eventually(lambda: ear.of(StackTaken))

        (taken,) = ear.of(StackTaken)
        assert (taken.request, StackTrace.from_json(taken.stack).frames[0].function) == (5, "sleep")


@BOTH
def test_a_task_in_a_child_enqueues_through_the_claimer(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("enqueue", id=1), run("enqueue", id=2)])
        eventually(lambda: len(ear.of(Enqueue)) == 2)
        for asked in ear.of(Enqueue):
            assert msgspec.msgpack.decode(asked.jobs, type=list[NewJob]) == [NewJob([], "default")]
            host.tell([Reply(asked.call, [row(id=asked.id * 100)], [False])])

        assert (ear.outcome(1).result, ear.outcome(2).result) == ("100", "200")


def test_all_that_an_isolated_job_writes_is_in_its_log():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("say", args='[["hello"]]')])
        ear.outcome()

    assert sorted((line.logger, line.message) for line in ear.lines()) == [
        ("app", "logged hello"),
        ("stderr", "raw words"),
        ("stdout", "from below"),
        ("stdout", "hello"),
    ]


def test_prints_of_jobs_that_share_a_child_are_told_apart():
    with raising(ChildHost, slots=4) as (host, ear):
        host.run([run("say", id=id, args=f'[["{id}"]]') for id in range(1, 5)])
        ear.outcomes(4)

    ids = {str(id) for id in range(1, 5)}
    for id in ids:
        printed = {line.message for line in ear.lines(int(id)) if line.logger == "stdout"}
        assert printed & ids == {id}  # what comes from below Python belongs to whoever is there


def test_what_a_job_wrote_before_it_crashed_is_in_its_log():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("crash")])

        assert [line.message for line in ear.outcome().lines] == ["on the brink"]


def test_a_flood_is_cut_to_head_and_tail():
    with raising(IsolatedHost, options=HostOptions(max_lines=100)) as (host, ear):
        host.run([run("flood", args="[[50000]]")])
        outcome = ear.outcome()

    assert (len(ear.lines()), outcome.dropped) == (100, 49_900)


def test_a_job_over_its_memory_limit_fails_and_says_so():
    with raising(IsolatedHost) as (host, ear):
        host.run([run("eat", id=1, args="[[200]]", memory_limit=100 << 20), run("eat", id=2, args="[[200]]")])
        error = RemoteError.from_json(ear.outcome(1).error)

        assert (error.type, error.notes) == ("MemoryError", ["its memory_limit is 104,857,600 bytes"])
        assert ear.outcome(2).ended == Ended.RETURNED


@pytest.mark.parametrize("task", ["wander", "litter"])
def test_a_child_in_which_a_job_left_a_trace_is_replaced(task: str):
    with raising(IsolatedHost, slots=1) as (host, ear):
        host.run([run("where", id=1), run(task, id=2), run("where", id=3), run("folder", id=4)])

        assert ear.outcome(3).result != ear.outcome(1).result
        assert ear.outcome(4).result == msgspec.json.encode(str(Path.cwd())).decode()
        assert {o.ended for o in ear.of(Outcome)} == {Ended.RETURNED}


@BOTH
def test_a_child_is_recycled_after_so_many_jobs(kind: type[Parent]):
    with raising(kind, slots=1, options=HostOptions(max_jobs=2)) as (host, ear):
        pids = []
        for id in range(6):
            host.run([run("where", id=id)])
            pids.append(msgspec.json.decode(ear.outcome(id).result)[0])

        assert len(set(pids)) in (3, 4)
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in set(pids) - set(host.pids)))


def test_a_child_is_recycled_when_it_uses_too_much_memory():
    with raising(ChildHost, slots=1, options=HostOptions(max_memory=1)) as (host, ear):
        host.run([run("where", id=1)])
        first = ear.outcome(1).result
        eventually(lambda: host.alive and str(host.pids[0]) not in first)
        host.run([run("where", id=2)])

        assert ear.outcome(2).result != first


def test_children_ignore_the_signals_of_terminals_and_service_managers():
    with raising(ChildHost) as (host, ear):
        host.run([run("sleep", args="[[0.3]]")])
        eventually(lambda: host.begun(1, 1))
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(host.pids[0], number)

        assert ear.outcome().ended == Ended.RETURNED
        assert os.getsid(host.pids[0]) != os.getsid(0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_their_parent_however_it_ends(number: int):
    script = """
        import time
        from jobyard.worker.child_host import ChildHost
        from jobyard.worker.children import Children
        from jobyard.worker.isolated import IsolatedHost
        from tests.worker.support import run

        children = Children("tests.worker.app:app", send=lambda _: None)
        children.start()
        hosts = [ChildHost(children, slots=1), IsolatedHost(children, slots=1)]
        for host in hosts:
            host.start()
            host.run([run("stubborn")])
        while sum(host.busy for host in hosts) < 2:
            time.sleep(0.01)
        print(*children.pids, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.send_signal(number)

    assert len(pids) == 2
    eventually(lambda: not any(map(psutil.pid_exists, pids)))


@BOTH
def test_a_stopped_host_lets_its_children_end_and_starts_no_more(kind: type[Parent]):
    with raising(kind) as (host, ear):
        host.run([run("aadd", id=1, args="[[1, 2]]"), run("sleep", id=2, args="[[0.2]]")])
        eventually(lambda: host.begun(2, 1))
        before = set(host.pids)
        host.stop()

        assert ear.outcome(2).ended == Ended.RETURNED
        eventually(lambda: not host.pids)
        assert not any(map(psutil.pid_exists, before))


def test_an_app_that_cannot_be_imported_is_refused_with_the_reason():
    message = r"cannot import tests\.worker\.nowhere:app: ModuleNotFoundError"
    with raising(ChildHost, app="tests.worker.nowhere:app") as (host, _), pytest.raises(UsageError, match=message):
        host._all.check(set())


def test_a_task_that_children_do_not_find_is_named():
    with raising(ChildHost) as (host, _):
        host._all.check({"add"})
        with pytest.raises(UsageError, match="does not find the task elsewhere"):
            host._all.check({"add", "elsewhere"})


def test_many_short_jobs_are_all_run_once():
    with raising(ChildHost, slots=8) as (host, ear):
        for start in range(0, 5_000, 500):
            host.run([run("noop", id=id) for id in range(start, start + 500)])

        assert sorted(o.id for o in ear.outcomes(5_000)) == list(range(5_000))
        assert (host.busy, host.waiting) == (0, 0)


def test_a_child_that_reads_nothing_stops_nobody():
    """A stopped child takes no more than its socket holds; the rest is kept for it."""
    with raising(ChildHost, slots=1) as (host, ear):
        host.run([run("add", id=0, args="[[1, 2]]")])
        ear.outcome(0)
        os.kill(host.pids[0], signal.SIGSTOP)
        runs: list[Run] = [run("fail", id=id, args=f'[["{"x" * 1000}"]]') for id in range(1, 2_000)]
        host.run(runs)
        os.kill(host.pids[0], signal.SIGCONT)

        ear.outcomes(2_000)


def test_children_find_the_tasks_of_a_script(tmp_path: Path):
    """In a script the module is `__main__`; a child imports it under the name of its file."""
    script = """
        import queue
        from jobyard.worker.children import Children, importable
        from jobyard.worker.isolated import IsolatedHost
        from jobyard.worker.wire import importing
        from tests.worker.app import App
        from tests.worker.support import run

        def name() -> str:
            return __name__

        app = App(name)

        if not importing:
            said = queue.SimpleQueue()
            children = Children(f"{importable('__main__')}:app", send=said.put)
            children.start()
            host = IsolatedHost(children, slots=1)
            host.start()
            children.check({"name"})
            host.run([run("name")])
            print(said.get(timeout=10)[0].result)
            host.stop()
            children.stop()
    """
    path = tmp_path / "shop_tasks.py"
    path.write_text(textwrap.dedent(script))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    done = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=30)

    assert (done.stdout, done.stderr) == ('"shop_tasks"\n', "")
