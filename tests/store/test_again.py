"""What a deadlock ended is done again; whatever else is refused is not."""

from __future__ import annotations

import pytest

from jobyard.errors import StoreBusy
from jobyard.store.again import again


def busy(*, deadlock: bool) -> StoreBusy:
    error = StoreBusy("in the way")
    error.deadlock = deadlock
    return error


def test_it_is_done_again_after_a_deadlock():
    tries = []

    @again
    def change(name):
        tries.append(name)
        if len(tries) < 3:
            raise busy(deadlock=True)
        return len(tries)

    assert change("a") == 3
    assert tries == ["a", "a", "a"]


def test_it_ends_with_the_error_when_it_never_succeeds():
    tries = []

    @again
    def change():
        tries.append(1)
        raise busy(deadlock=True)

    with pytest.raises(StoreBusy):
        change()
    assert len(tries) == 5


def test_a_lock_that_was_held_for_too_long_is_not_waited_for_again():
    tries = []

    @again
    def change():
        tries.append(1)
        raise busy(deadlock=False)

    with pytest.raises(StoreBusy):
        change()
    assert tries == [1]
