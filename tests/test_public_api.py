"""The names that users may rely on. One more is an addition to the changelog, one fewer breaks their code."""

import inspect

import pytest

import jobyard
from jobyard import errors

NAMES = {
    "NO_CHANGE",
    "AsyncYard",
    "Attempt",
    "Change",
    "Job",
    "LogEntry",
    "NewJob",
    "Op",
    "Progress",
    "Reason",
    "RemoteError",
    "Retry",
    "Settings",
    "SignedPickle",
    "Status",
    "Summary",
    "Task",
    "Yard",
    "ctx",
    "retval",
}

EXCEPTIONS = {
    name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, BaseException)
}


def test_the_public_names_are_these_and_every_error():
    assert set(jobyard.__all__) == NAMES | set(errors.__all__)
    assert list(jobyard.__all__) == sorted(set(jobyard.__all__), key=_as_ruff_sorts)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_exists_and_says_what_it_is(name):
    value = getattr(jobyard, name)

    assert inspect.getdoc(value)


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
