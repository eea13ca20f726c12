"""What all commands have in common: settings, the application, errors, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from tests.cli.support import Jobyard, environment, start

from jobyard import Yard, config
from jobyard.cli import NOUNS, cli
from jobyard.cli.failure import translated
from jobyard.config import SETTINGS
from jobyard.errors import JobyardError, StoreBusy


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


COMMANDS = commands(cli)


def run(*args: str, env: dict[str, str] | None = None):
    return CliRunner().invoke(cli, args, prog_name="jobyard", env=env)


def test_the_nouns_are_these():
    assert set(NOUNS) == {path[0] for path, _ in COMMANDS}


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_a_command_explains_itself_with_an_example(path, command):
    help = run(*path, "--help").output

    assert f"jobyard {path[0]}" in help
    assert "Examples:" in help
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, f"{param.name} has no help"


def test_every_setting_is_an_option_with_its_sentence():
    options = {param.name: param for param in cli.params}

    assert [name for name in SETTINGS if name not in options] == []
    assert all(SETTINGS[name].metadata["doc"] in options[name].help for name in SETTINGS)


WITHOUT_USER = {
    *("job list", "job log", "job show", "job stack", "job wait", "job watch", "job why"),
    *("queue list", "task check", "task list", "machine list", "machine show", "worker list"),
    *("definition check", "definition dump", "definition graph", "definition list", "definition log"),
    *("definition show", "db roles", "db status", "doctor", "config check", "completion", "demo"),
}
"""These change nothing of anybody's; the demo has a file of its own."""


def test_every_command_that_changes_something_takes_its_user():
    leaves = {" ".join(path): command for path, command in COMMANDS if not isinstance(command, click.Group)}
    leaves["worker"] = dict(COMMANDS)[("worker",)]
    with_user = {words for words, command in leaves.items() if "user" in {param.name for param in command.params}}

    assert with_user.isdisjoint(WITHOUT_USER)
    assert with_user | WITHOUT_USER == set(leaves)
    for words in with_user:
        assert "--user NAME" in run(*words.split(), "--help").output


def test_help_needs_no_terminal_library():
    """`rich` and the database cost more than all the rest of a start."""
    code = (
        "import sys; from jobyard.cli import cli; cli(['--help'], standalone_mode=False); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())

    assert done.stdout.endswith("False\n")


def test_settings_go_before_the_noun(tmp_path):
    found = json.loads(run("--concurrency", "3", "config", "check", "--json").stdout)

    assert found["concurrency"] == {"value": 3, "source": "--concurrency"}


def test_the_application_and_the_url_may_also_come_last(tmp_path):
    url = f"sqlite:///{tmp_path}/elsewhere.db"

    found = json.loads(run("db", "status", "--url", url, "--json").stdout)

    assert found["location"] == f"{tmp_path}/elsewhere.db"


def test_the_command_line_says_nothing_any_more_when_it_has_ended():
    run("--concurrency", "3", "config", "check")

    assert config.command_line() == {}


def test_a_bad_setting_is_wrong_use():
    result = run("--concurrency", "many", "job", "list")

    assert result.exit_code == 2
    assert result.stderr == "jobyard: --concurrency: concurrency='many': give a whole number from 1\n"


def test_a_misspelt_variable_is_wrong_use():
    result = run("job", "list", env={"JOBYARD_CONCURENCY": "3"})

    assert result.exit_code == 2
    assert "did you mean 'concurrency'" in result.stderr


def test_the_application_of_the_file_is_taken(tmp_path):
    (tmp_path / "jobyard.toml").write_text("app = 'tests.cli.shop'\n")

    assert "add" in run("task", "list").output


def test_no_application_is_wrong_use():
    result = run("task", "list")

    assert result.exit_code == 2
    assert "--app module:yard" in result.stderr


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("nowhere", "there is no module 'nowhere'"),
        (":", "give a module and the name of its yard"),
        ("./shop.py", "give a module and the name of its yard"),
        ("nowhere.jobs:yard", "there is no module 'nowhere'"),
        ("tests.cli.shop:yrad", "has no 'yrad'; did you mean tests.cli.shop:yard?"),
        ("tests.cli.shop:log", "that is a Logger, not a Yard"),
    ],
)
def test_an_application_that_is_not_there_is_one_line(app, said):
    result = run("--app", app, "task", "list")

    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", ["import nonsense_module", "1 / 0", "raise SystemExit(3)", "def f(:"])
def test_an_error_of_the_application_shows_its_own_traceback(tmp_path, content):
    (tmp_path / "mine.py").write_text(f"import sys\n{content}\n")

    result = run("--app", "mine", "task", "list")

    assert result.exit_code == 1
    assert f'File "{tmp_path}/mine.py", line 2' in result.stderr
    assert "jobyard/cli" not in result.stderr
    assert result.stderr.endswith("jobyard: --app mine: the module could not be imported\n")


def test_what_jobyard_refuses_of_the_application_ends_where_it_says_it(tmp_path):
    (tmp_path / "refused.py").write_text("from jobyard import Yard\nyard = Yard()\n@yard.task(queue=3)\ndef f(): ...\n")

    result = run("--app", "refused", "task", "list")

    assert "queue=3: give a text" in result.stderr
    assert 'refused.py", line 3' in result.stderr
    assert "checks.py" not in result.stderr


def test_the_working_directory_is_where_applications_are(tmp_path):
    (tmp_path / "here.py").write_text("from jobyard import Yard\nother = Yard()\n@other.task\ndef f(): ...\n")

    result = run("--app", "here:other", "task", "list")

    assert "here:f" in result.output


def test_an_error_is_one_line_without_a_traceback(tmp_path):
    (tmp_path / "no.db").write_text("this is no database, and long enough to tell")

    result = run("--url", f"sqlite:///{tmp_path}/no.db", "job", "list")

    assert result.exit_code == 1
    assert result.stderr.startswith("jobyard: ")
    assert result.stderr.count("\n") == 1


READS = [
    *("job list", "job show 1", "job cancel 1", "job watch 1", "queue list", "event list", "event follow"),
    *("definition list", "definition dump", "definition graph", "machine list", "worker list", "run report"),
    *("workflow take m1", "task check", "doctor", "prune", "db copy --to sqlite:///other.db", "db uninstall --yes"),
]


@pytest.mark.parametrize("words", READS)
def test_what_reads_makes_no_file(tmp_path, words):
    result = Jobyard("sqlite:///jobyard.db")(*words.split(), app=True)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"jobyard: there is no file {tmp_path}/jobyard.db yet: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", ["db status", "db upgrade --print", "task list", "config check", "definition check x"]
)
def test_what_needs_no_file_makes_none(tmp_path, words):
    (tmp_path / "x").write_text("definitions: [{name: extract, task: add, args: [1]}]")

    result = Jobyard("sqlite:///jobyard.db")(*words.split(), app=True)

    assert result.exit_code == (1 if words == "db status" else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    "words", ["enqueue add --arg 1", "worker --until-idle", "db upgrade", "queue pause a", "machine online m1"]
)
def test_what_writes_first_makes_the_file(tmp_path, words):
    result = Jobyard("sqlite:///jobyard.db")(*words.split(), app=True)

    assert result.exit_code == 0
    assert (tmp_path / "jobyard.db").is_file()


@pytest.mark.parametrize(("error", "code"), [(StoreBusy, 1), (JobyardError, 1), (KeyboardInterrupt, 130)])
def test_errors_become_exit_codes(error, code):
    with pytest.raises((click.ClickException, click.exceptions.Exit)) as caught, translated():
        raise error("x")

    assert caught.value.exit_code == code


def test_an_interrupt_is_quiet(jobyard, tmp_path):
    jobyard.done("queue", "pause", "a")
    running = start("--url", jobyard.url, "event", "follow", "--last", "1", cwd=tmp_path)
    try:
        assert "pause" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        done = running.communicate(timeout=20)
    finally:
        running.kill()

    assert done == ("", "")
    assert running.returncode == 130


def test_a_reader_that_leaves_is_no_error(tmp_path):
    with Yard("sqlite:///jobyard.db") as yard:
        task = yard.task(name="t")(_nothing).using(title="more than a pipe holds " * 10)
        yard.enqueue_many([task.new() for _ in range(500)])

    running = start("job", "list", "--limit", "0", cwd=tmp_path)
    try:
        running.stdout.readline()
        running.stdout.close()
        running.wait(timeout=20)
        said = running.stderr.read()
    finally:
        running.kill()
        running.stderr.close()

    assert said == ""


def _nothing() -> None: ...


def test_no_colour_where_it_is_not_wanted(tmp_path):
    for args, env in [(("--no-color",), {}), ((), {"NO_COLOR": "1"})]:
        done = subprocess.run(
            [sys.executable, "-m", "jobyard", *args, "config", "check"],
            cwd=tmp_path, capture_output=True, text=True, check=True, env=environment(**env),
        )  # fmt: skip

        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell):
    result = run("completion", shell)

    assert result.exit_code == 0
    assert "_JOBYARD_COMPLETE" in result.stdout


def test_an_unknown_shell_is_wrong_use():
    assert run("completion", "cmd").exit_code == 2


def test_the_shell_is_told_the_nouns():
    env = environment(_JOBYARD_COMPLETE="bash_complete", COMP_WORDS="jobyard jo", COMP_CWORD="1")
    done = subprocess.run(
        [sys.executable, "-c", "from jobyard.cli import main; main()"],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )

    assert done.stdout.split() == ["plain,job"]


def test_the_version_is_told():
    assert run("--version").output.startswith("jobyard ")
