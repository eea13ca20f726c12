"""``jobyard worker``: as a program of its own, with signals, files and sockets."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Jobyard, environment, start
from tests.support import eventually

from jobyard import Yard

APP = """
import time
from pathlib import Path
from jobyard import Yard, ctx

yard = Yard()

@yard.task(name="greet")
def greet(name: str) -> str:
    return f"hello {name}"

@yard.task(name="sleepy")
def sleepy() -> None:
    Path("began").touch()
    while True:
        ctx.check_canceled()
        time.sleep(0.01)

@yard.task(name="bad")
def bad() -> None:
    raise ValueError("bad")
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(APP)
    return file


@pytest.fixture
def yard(url: str, tmp_path: Path, app: Path) -> Iterator[Yard]:
    """A yard on a new store of each kind, which all commands in this folder use."""
    (tmp_path / "jobyard.toml").write_text(f"url = {url!r}\n")
    with Yard(url) as yard:
        for name in ("greet", "sleepy", "bad"):
            yard.task(name=name)(_stand_in(name))
        yield yard


def _stand_in(name: str) -> Any:
    def task(*args: str) -> None: ...

    task.__qualname__ = name
    return task


@pytest.fixture
def worker(tmp_path: Path, yard: Yard) -> Iterator[Start]:
    """Starts workers on the yard; whatever is left of them at the end is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(*args: str, **options: Any) -> subprocess.Popen[str]:
        running.append(start("--app", "mine", "worker", *args, cwd=tmp_path, **options))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def enqueue(yard: Yard, task: str, *args: str) -> Any:
    return yard.tasks.get(task).enqueue(*args)


def wait_until_up(yard: Yard) -> None:
    def alive() -> bool:
        with yard.store.read() as tx:
            return bool(yard.store.workers.alive(tx))

    eventually(alive)


def stopped(process: subprocess.Popen[str], signal_number: int = signal.SIGTERM) -> str:
    """What a worker said on stderr until it ended."""
    process.send_signal(signal_number)
    return process.communicate(timeout=30)[1]


def test_until_idle_runs_what_is_ready_and_sums_up(yard, worker):
    job = enqueue(yard, "greet", "you")

    process = worker("--until-idle", "--name", "w1", "--concurrency", "3")
    out, said = process.communicate(timeout=30)

    assert (process.returncode, out) == (0, "")
    assert job.refresh().result == "hello you"
    assert f"worker w1 on {yard.store.location}: queues all, 3 slots in 1 process, 3 tasks" in said
    assert f"job {job.id} (greet) succeeded" in said
    assert said.splitlines()[-1].endswith("INFO     1 succeeded, 0 failed")


def test_until_idle_fails_if_a_job_did(jobyard):
    jobyard.enqueue("broken", "--arg", '"x"')

    result = jobyard.work()

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("0 succeeded, 1 failed")


def test_only_the_queues_chosen_are_served(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    said = jobyard("worker", "--until-idle", "--queues", "a,b", app=True).stderr

    assert jobyard.data("job", "show", "1")["status"] == "queued"
    assert "queues a, b" in said


def test_lines_below_the_level_are_not_shown(jobyard):
    jobyard.enqueue("add", "--arg", "1")

    said = jobyard("worker", "--until-idle", "--log-level", "warning", app=True).stderr

    assert jobyard.data("job", "show", "1")["status"] == "succeeded"
    assert "succeeded after" not in said


def test_an_application_with_logging_of_its_own_gets_the_lines_there(yard, worker, app):
    setup = "import logging\nlogging.basicConfig(format='MINE %(message)s', level='INFO')\n"
    app.write_text(setup + APP)
    job = enqueue(yard, "greet", "you")

    said = worker("--until-idle").communicate(timeout=30)[1]

    assert f"MINE job {job.id} (greet) succeeded" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_an_idle_worker_at_once(yard, worker, number):
    process = worker()
    wait_until_up(yard)

    said = stopped(process, number)

    assert process.returncode == 0
    assert "stopped" in said
    assert "Traceback" not in said


def test_a_worker_that_hands_back_what_it_had_begun_says_so_by_its_exit_code(yard, worker, tmp_path):
    job = enqueue(yard, "sleepy")
    process = worker("--shutdown-grace", "0")
    eventually((tmp_path / "began").exists)

    stopped(process)

    assert process.returncode == 1
    assert job.refresh().status == "queued"


def test_workers_are_listed(yard, worker, tmp_path):
    worker("--name", "w1", "--queues", "images")
    wait_until_up(yard)

    [listed] = _json(tmp_path, "worker", "list")

    assert (listed["name"], listed["queues"], listed["state"], listed["running"]) == ("w1", ["images"], "running", 0)
    assert listed["tasks"] == ["bad", "greet", "sleepy"]
    assert set(listed) == {
        *("id", "name", "machine", "pid", "queues", "tasks", "concurrency", "processes", "started_at", "heartbeat"),
        *("state", "ended_at", "running"),
    }


def _json(folder: Path, *args: str) -> Any:
    process = start(*args, "--json", cwd=folder)
    return json.loads(process.communicate(timeout=30)[0])


def test_the_health_file_is_as_young_as_the_heartbeat_and_goes_with_the_worker(yard, worker, tmp_path):
    file = tmp_path / "healthy"
    process = worker("--health-file", str(file), "--heartbeat", "0.05")
    wait_until_up(yard)
    os.utime(file, (0, 0))

    eventually(lambda: file.stat().st_mtime > 0)
    stopped(process)

    assert not file.exists()


def test_a_health_file_that_cannot_be_made_is_wrong_use(tmp_path):
    result = Jobyard(f"sqlite:///{tmp_path}/jobyard.db")("worker", "--health-file", "/nowhere/healthy", app=True)

    assert result.exit_code == 2
    assert "jobyard: --health-file: " in result.stderr


def test_the_service_manager_is_told(yard, worker, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        process = worker("--heartbeat", "0.05", env=environment(NOTIFY_SOCKET=str(tmp_path / "notify")))

        assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"WATCHDOG=1"
        stopped(process)
        told = {manager.recv(100)}
        while b"STOPPING=1" not in told:
            told.add(manager.recv(100))

    assert told <= {b"WATCHDOG=1", b"STOPPING=1"}


def test_a_service_manager_that_does_not_read_holds_up_nothing(yard, worker, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        fill(tmp_path / "notify")
        process = worker("--heartbeat", "0.05", env=environment(NOTIFY_SOCKET=str(tmp_path / "notify")))

        assert enqueue(yard, "greet", "you").wait(20).status == "succeeded"
        stopped(process)


def fill(listener: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(BlockingIOError):
        sender.setblocking(False)
        while True:
            sender.sendto(b"full", str(listener))


def test_a_changed_file_starts_the_worker_again(yard, worker, app):
    worker("--reload")
    wait_until_up(yard)
    app.write_text(APP.replace("hello", "good day"))

    def greeted() -> bool:
        return enqueue(yard, "greet", "you").wait(10).result == "good day you"

    eventually(greeted, timeout=20)


def test_a_broken_file_starts_nothing(yard, worker, app):
    process = worker("--reload", stderr=subprocess.STDOUT)
    wait_until_up(yard)
    app.write_text("def (:\n")

    lines = iter(process.stdout.readline, "")
    said = next(line for line in lines if "goes on with the code it has" in line)

    assert "mine.py: " in said
    assert enqueue(yard, "greet", "you").wait(10).result == "hello you"


def test_a_worker_without_an_application_is_wrong_use(tmp_path):
    result = Jobyard(f"sqlite:///{tmp_path}/jobyard.db")("worker")

    assert result.exit_code == 2
    assert "--app module:yard" in result.stderr


def test_a_bad_setting_of_the_worker_is_wrong_use(tmp_path):
    result = Jobyard(f"sqlite:///{tmp_path}/jobyard.db")("worker", "--processes", "0", app=True)

    assert result.exit_code == 2
    assert "jobyard: --processes: processes=0: give a whole number from 1" in result.stderr


def on_a_terminal(
    *args: str, cwd: Path, when: str | None = None, then: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """
    Run a command whose stdout and stderr are a terminal; returns the exit code and the text without its codes.

    The first time the text matches *when*, *then* is called.
    """
    master, slave = pty.openpty()
    env = environment(TERM="xterm-256color", LINES="40")
    process = subprocess.Popen(
        [sys.executable, "-m", "jobyard", *args], cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    try:
        while part := _read(master):
            shown += part
            if when and re.search(when, _text(shown)):
                when = None
                then()
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
        os.close(master)
    return process.returncode, _text(shown)


def _text(shown: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the last process has closed the terminal
        return b""


def test_a_terminal_shows_a_live_line(yard, tmp_path):
    job, endless = enqueue(yard, "greet", "you"), enqueue(yard, "sleepy")

    code, shown = on_a_terminal(
        *("--app", "mine", "worker", "--until-idle"),
        cwd=tmp_path,
        when="▶ 1 running  0 queued  1 succeeded",
        then=endless.cancel,
    )

    assert code == 0
    assert f"job {job.id} (greet) succeeded" in shown
    assert "1 succeeded, 0 failed, 1 canceled" in shown


def test_a_terminal_shows_a_job_to_its_end(yard, tmp_path, worker):
    job = enqueue(yard, "bad")
    worker("--until-idle")

    code, shown = on_a_terminal("job", "watch", str(job.id), cwd=tmp_path)

    assert code == 1
    assert "✘ failed" in shown
    assert "ValueError: bad" in shown
    assert "╭─ Traceback" in shown


def test_a_terminal_shows_a_stack_with_its_locals(yard, tmp_path, worker):
    job = enqueue(yard, "sleepy")
    worker()
    eventually(lambda: job.refresh().status == "running")

    code, shown = on_a_terminal("job", "stack", str(job.id), cwd=tmp_path)

    assert code == 0
    assert "in sleepy" in shown
    assert "ctx.check_canceled()" in shown
