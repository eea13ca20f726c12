"""The names that users may rely on. One more is an addition to the changelog, one fewer breaks their code."""

import inspect
import subprocess
import sys

import pytest

import jobyard
from jobyard import errors
from jobyard.model import events

NAMES = {
    "NO_CHANGE",
    "AsyncJob",
    "AsyncYard",
    "Attempt",
    "Change",
    "Event",
    "Job",
    "LogEntry",
    "NewJob",
    "Op",
    "Progress",
    "QueueInfo",
    "Reason",
    "RemoteError",
    "Retry",
    "Settings",
    "SignedPickle",
    "Status",
    "Summary",
    "Task",
    "Worker",
    "Yard",
    "ctx",
    "retval",
}

HAPPENINGS = {
    name
    for name, value in vars(events).items()
    if inspect.isclass(value) and issubclass(value, events.Happening) and value is not events.OfJob
}
"""What `Yard.on` takes."""

NOT_FOR_CALLERS = {
    *("asyncio", "click", "ctypes", "hashlib", "multiprocessing", "pytest", "rich", "tempfile", "yaml"),
    *("jobyard.aio", "jobyard.cli", "jobyard.model.traceback", "jobyard.model.why", "jobyard.worker"),
}
"""What a program that only enqueues does not wait for."""

EXCEPTIONS = {
    name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, BaseException)
}


def test_the_public_names_are_these_and_every_error_and_happening():
    assert set(jobyard.__all__) == NAMES | HAPPENINGS | set(errors.__all__)
    assert list(jobyard.__all__) == sorted(set(jobyard.__all__), key=_as_ruff_sorts)


@pytest.mark.parametrize("name", sorted(NAMES | HAPPENINGS))
def test_a_public_name_exists_and_says_what_it_is(name):
    value = getattr(jobyard, name)

    assert inspect.getdoc(value)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Yrad"):
        _ = jobyard.Yrad


def test_all_names_are_listed_before_they_are_loaded():
    assert set(jobyard.__all__) <= set(dir(jobyard))


def test_one_who_enqueues_loads_no_more_than_that_takes():
    """Each of these would cost more of the time that `import` may take than it is worth."""
    code = """
import sys
from jobyard import Retry, Yard, ctx, retval
yard = Yard("sqlite:///unused.db")
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert NOT_FOR_CALLERS.intersection(done.stdout.split()) == set()


def test_every_exception_is_public_in_the_tree_and_explained():
    public = {name for name in EXCEPTIONS if not name.startswith("_")}

    assert set(errors.__all__) == public
    assert [name for name in public if name not in errors.__doc__] == []
    assert [name for name in public if not getattr(errors, name).__doc__] == []
    assert [name for name in public if getattr(jobyard, name) is not getattr(errors, name)] == []


def test_an_error_is_ours_or_a_signal():
    roots = (errors.JobyardError, errors.JobSignal)

    assert [name for name in EXCEPTIONS if not issubclass(getattr(errors, name), roots)] == []
    assert not issubclass(errors.JobSignal, Exception)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return (kind, name)
