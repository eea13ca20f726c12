"""`jobyard run-external`, as a process of its own that runs real commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import start
from tests.support import eventually
from tests.workflow.definitions import define, log_of

from jobyard import Job, Yard
from jobyard.cli.run_external.output import Output


@pytest.fixture
def yard(url: str) -> Iterator[Yard]:
    with Yard(url, user="ann") as yard:
        yield yard


@pytest.fixture
def run(yard: Yard, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts runners for a script in Python; those that are left at the end are killed."""
    started = []

    def run(script: str, *options: str, settings: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        path = tmp_path / "command.py"
        path.write_text(f"import json, os, signal, sys, time\n{script}\n")
        words = [*settings, "run-external", "--machine", "m1", *options, "--", sys.executable, "-u", str(path)]
        started.append(start("--url", yard.url, *words, cwd=tmp_path))
        return started[-1]

    yield run
    for runner in started:
        runner.kill()
        runner.communicate()


def ended(runner: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a runner that ends by itself, and what it said."""
    _, said = runner.communicate(timeout=30)
    return runner.returncode, said


def make(yard: Yard, *names: str, **recipe: Any) -> list[Job]:
    return [yard.workflow.new_job(define(yard, name, **recipe)) for name in names]


def results(yard: Yard) -> dict[str, str]:
    """The result status of each definition that has one."""
    return {event.definition: event.data["status"] for event in yard.events(kind="finish")}


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_exit_code_becomes_the_result(yard, run):
    make(yard, *(f"code-{code}" for code in (0, 1, 2, 4, 5, 6, 7, 8, 77)))

    code, said = ended(run("sys.exit(int(json.load(sys.stdin)['definition'].split('-')[1]))", "--until-idle"))

    assert results(yard) == {
        "code-0": "success",
        "code-1": "failure",
        "code-2": "success_nochange",
        "code-4": "failure_invalid",
        "code-5": "failure_unsupported_feature",
        "code-6": "failure_forbidden",
        "code-7": "failure_remote_broken",
        "code-8": "failure",
        "code-77": "failure",
    }
    assert code == 1
    assert "(code-6): failure_forbidden after" in said


def test_a_partial_run_is_done_again_at_once(yard, run, tmp_path):
    make(yard, "git")

    code, _ = ended(
        run(
            "open('runs', 'a').write('x')\nsys.exit(3 if os.path.getsize('runs') < 3 else 0)",
            "--until-idle",
        )
    )

    assert (code, text_of(tmp_path / "runs")) == (0, "xxx")
    assert [event.data["status"] for event in yard.events(kind="finish")] == [
        "success",
        "success_partial",
        "success_partial",
    ]


def test_the_command_gets_the_job_and_the_log_gets_all_it_says(yard, run, tmp_path):
    [job] = make(yard, "git", args='[["https://example.org"]]', title="Import git")

    code, _ = ended(
        run(
            "json.dump(json.load(sys.stdin), open('given', 'w'))\nprint('out')\nos.write(2, b'err\\xff\\n')",
            "--until-idle",
        )
    )

    given = json.loads(text_of(tmp_path / "given"))
    assert (given["id"], given["status"], given["definition"], given["machine"]) == (job.id, "running", "git", "m1")
    assert (given["title"], given["ops"][0]["args"], given["epoch"]) == ("Import git", ["https://example.org"], 1)
    assert code == 0
    assert log_of(yard, job.id) == b"out\nerr\xff\n"
    assert job.refresh().logtail == "out\nerr\ufffd"


def test_the_last_five_lines_come_with_the_heartbeat(yard, run):
    [job] = make(yard, "git")
    run("print('\\n'.join('abcdef'))\nprint('half', end='', flush=True)\ntime.sleep(60)", "--heartbeat", "0.1")

    assert eventually(lambda: job.refresh().logtail) == "c\nd\ne\nf\nhalf"
    before = job.heartbeat
    eventually(lambda: job.refresh().heartbeat > before)


def test_a_silent_command_is_killed(yard, run):
    [job] = make(yard, "git")

    code, _ = ended(run("print('begun')\ntime.sleep(60)", "--until-idle", "--inactivity-timeout", "0.5"))

    assert (code, results(yard)) == (1, {"git": "failure"})
    log = log_of(yard, job.id).decode()
    assert log.startswith("begun\njobyard: nothing was said for 0.5s, so it was killed\n")
    assert "KeyboardInterrupt" in log


def test_a_command_that_speaks_is_not_silent(yard, run):
    make(yard, "git")

    ended(run("for _ in range(12): print('x'); time.sleep(0.1)", "--until-idle", "--inactivity-timeout", "0.8"))

    assert results(yard) == {"git": "success"}


def test_what_ignores_the_first_signal_gets_the_second(yard, run):
    [job] = make(yard, "git")

    ended(
        run(
            "signal.signal(signal.SIGINT, lambda *_: print('no'))\nprint('yes')\nwhile True: time.sleep(60)",
            "--until-idle",
            "--inactivity-timeout",
            "0.3",
        )
    )

    assert results(yard) == {"git": "failure"}
    assert log_of(yard, job.id).decode().splitlines()[-1] == "no"


def test_a_canceled_job_is_killed(yard, run):
    [job] = make(yard, "git")
    runner = run("print('begun')\ntime.sleep(60)", "--until-idle", "--heartbeat", "0.1")
    eventually(lambda: job.refresh().logtail)

    job.cancel()

    assert ended(runner)[0] == 1
    assert (job.refresh().status, results(yard)) == ("canceled", {"git": "killed"})
    assert [event.kind for event in yard.events(job=job)] == ["finish", "kill", "cancel", "start"]


def test_a_reclaimed_job_is_left_alone(yard, run, tmp_path):
    [job] = make(yard, "git")
    runner = run(
        "open('pid', 'w').write(str(os.getpid()))\nprint('begun')\ntime.sleep(60)",
        "--heartbeat",
        "0.1",
        "--queue",
        "default",
    )
    eventually(lambda: job.refresh().logtail)
    yard.queues.pause("default")

    yard.workflow.reclaim_job(job)

    eventually(lambda: not alive(int(text_of(tmp_path / "pid"))))
    runner.send_signal(signal.SIGTERM)
    code, said = ended(runner)
    assert (code, results(yard), log_of(yard, job.id)) == (0, {"git": "reclaimed"}, None)
    assert "it is no longer ours" in said


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_command_ends_with_a_killed_runner(yard, run, tmp_path):
    make(yard, "git")
    runner = run("open('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)")
    pid = int(eventually(lambda: text_of(tmp_path / "pid")))

    runner.kill()

    eventually(lambda: not alive(pid))


def test_what_the_command_started_ends_with_a_killed_runner_too(yard, run, tmp_path):
    make(yard, "git")
    runner = run(
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
        "open('pid', 'w').write(str(child.pid))\nchild.wait()"
    )
    pid = int(eventually(lambda: text_of(tmp_path / "pid")))

    runner.kill()

    eventually(lambda: not alive(pid))


def test_a_command_that_has_lost_its_leash_is_killed(yard, run, tmp_path):
    make(yard, "git")

    ended(
        run(
            "with open('pid', 'w') as file: file.write(str(os.getpid()))\n"
            "os.kill(os.getppid(), signal.SIGKILL)\nos.close(1), os.close(2)\ntime.sleep(60)",
            "--until-idle",
        )
    )

    assert results(yard) == {"git": "failure"}
    eventually(lambda: not alive(int(text_of(tmp_path / "pid"))))


def test_a_command_that_a_signal_ends_has_failed(yard, run):
    make(yard, "git")

    ended(run("os.kill(os.getpid(), signal.SIGTERM)", "--until-idle"))

    assert results(yard) == {"git": "failure"}


def test_the_first_signal_lets_commands_end(yard, run, tmp_path):
    make(yard, "a", "b")
    runner = run("open('begun', 'w').write('x')\nwhile not os.path.exists('go'): time.sleep(0.02)", "--limit", "1")
    eventually(lambda: text_of(tmp_path / "begun"))

    runner.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()

    assert ended(runner)[0] == 0
    assert results(yard) == {"a": "success"}


def test_the_second_signal_stops_them_and_gives_the_jobs_to_others(yard, run, tmp_path):
    [job] = make(yard, "a")
    runner = run("open('begun', 'w').write('x')\ntime.sleep(60)")
    eventually(lambda: text_of(tmp_path / "begun"))

    runner.send_signal(signal.SIGINT)
    while "stopping" not in (line := runner.stderr.readline()):
        assert line, "it ended without a word"
    runner.send_signal(signal.SIGINT)

    code, said = ended(runner)
    assert (code, results(yard)) == (1, {"a": "reclaimed"})
    assert f"job {job.id} (a): stopped" in said
    assert yard.jobs(definition="a", status="queued")


def test_a_machine_runs_no_more_than_its_limit(yard, run, tmp_path):
    make(yard, *"abcd")
    begin = "open(json.load(sys.stdin)['definition'] + '.begun', 'w').close()"
    runner = run(f"{begin}\nwhile not os.path.exists('go'): time.sleep(0.02)", "--limit", "2", "--until-idle")
    eventually(lambda: len(list(tmp_path.glob("*.begun"))) == 2)

    assert sorted(job.definition for job in yard.machines.get("m1").jobs) == ["a", "b"]

    (tmp_path / "go").touch()
    assert ended(runner)[0] == 0
    assert results(yard) == dict.fromkeys("abcd", "success")


def test_a_quiesced_machine_ends_its_job_and_takes_no_other(yard, run, tmp_path):
    make(yard, "a", "b")
    runner = run(
        "open('begun', 'w').write('x')\nwhile not os.path.exists('go'): time.sleep(0.02)",
        "--limit",
        "1",
        "--until-idle",
    )
    eventually(lambda: text_of(tmp_path / "begun"))

    yard.machines.quiesce("m1")
    (tmp_path / "go").touch()

    assert ended(runner)[0] == 0
    assert results(yard) == {"a": "success"}
    assert (yard.machines.get("m1").state, yard.machines.get("m1").reason) == ("offline", "quiesced")


def test_a_new_job_is_taken_without_delay(yard, run, tmp_path):
    run("open('begun', 'w').write('x')", settings=("--poll", "60s"))
    eventually(lambda: yard.machines.list())

    make(yard, "a")

    eventually(lambda: results(yard) == {"a": "success"}, timeout=8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--", "no-such-command"), "there is no command 'no-such-command'"),
        (("--heartbeat", "200s", "--", "true"), "--heartbeat 200s must be at most half of reclaim_after, which is 5m"),
        ((), "Missing argument"),
    ],
)
def test_wrong_use_is_told(jobyard, words, said):
    result = jobyard("run-external", *words)

    assert result.exit_code == 2
    assert said in result.stderr


def spoken(*parts: bytes, limit: int = 1000) -> Output:
    output = Output(limit)
    for part in parts:
        output.add(part)
    return output


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ([], ""),
        ([b"a"], "a"),
        ([b"a\n"], "a"),
        ([b"a", b"b\nc"], "ab\nc"),
        ([b"1\n2\n3\n4\n5\n6\n"], "2\n3\n4\n5\n6"),
        ([b"1\n2\n3\n4\n5\n6"], "2\n3\n4\n5\n6"),
        ([b"1\n\n\n\n\n6\n"], "\n\n\n\n6"),
        ([b"\xff\0"], "\ufffd\ufffd"),
    ],
)
def test_the_last_lines_are_five(parts, lines):
    assert spoken(*parts).last_lines == lines


def test_the_middle_of_a_long_log_is_left_out():
    output = spoken(b"head.", b"x" * 90, b"y" * 10, b".tail", limit=10)

    assert output.log == b"head.\n... 100 bytes left out ...\n.tail"


def test_a_log_of_the_limit_is_kept_whole():
    assert spoken(b"01234", b"56", b"789", limit=10).log == b"0123456789"
