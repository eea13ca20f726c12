"""Stores that cannot be opened, written or filled any more: a typed error that says what to do, and on it goes."""

import os
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support import eventually
from tests.worker.serving import heard, serving

from jobyard import Yard
from jobyard.errors import StoreFull, StoreUnavailable
from jobyard.model.events import StoreRetry


def yard_at(path, **settings):
    yard = Yard(f"sqlite:///{path}", **settings)

    @yard.task(name="text")
    def text(size: int, padding: str = "") -> str:
        return "x" * size

    return yard, text


def test_a_missing_folder_is_named(tmp_path):
    yard, text = yard_at(tmp_path / "nowhere" / "jobs.db")
    with yard, pytest.raises(StoreUnavailable, match=f"{tmp_path}/nowhere does not exist"):
        text.enqueue(1)
    with yard, pytest.raises(StoreUnavailable):
        yard.worker().run_until_idle()


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "jobs.db"
    path.write_text("dear diary, " * 1000)
    yard, text = yard_at(path)
    with yard, pytest.raises(StoreUnavailable, match="not a SQLite database"):
        text.enqueue(1)
    assert path.read_text() == "dear diary, " * 1000


def test_a_file_that_may_not_be_written(monkeypatch):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        monkeypatch.chdir(folder)
        yard, text = yard_at(folder / "jobs.db")
        text.enqueue(1)
        yard.close()
        for path in folder.iterdir():
            path.chmod(0o555 if path.is_dir() else 0o444)
        folder.chmod(0o555)
        with nobody(), yard, pytest.raises(StoreUnavailable, match=r"read-only|cannot be written|unable to open"):
            text.enqueue(1)
        folder.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MB, where we may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_named_and_once_there_is_space_all_goes_on(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(12 << 20))
    yard, text = yard_at(small_disk / "jobs.db")
    with yard:
        stored = [text.enqueue(1)]
        with pytest.raises(StoreFull, match="the disk is full"):
            stored.extend(iter(lambda: text.enqueue(1, "x" * 20_000), None))
        assert len(yard.jobs(limit=None)) == len(stored), "what was acknowledged is there, and nothing else"
        ballast.unlink()
        stored.append(text.enqueue(1))
        assert yard.worker().run_until_idle().succeeded == len(stored)


def test_a_worker_waits_for_space_and_loses_no_outcome(small_disk):
    ballast = small_disk / "ballast"
    yard, _ = yard_at(small_disk / "jobs.db", heartbeat=0.2)
    retries = heard(yard, StoreRetry)
    began, go = threading.Event(), threading.Event()

    @yard.task
    def large() -> str:
        began.set()
        go.wait(20)
        return "x" * 900_000

    with yard, serving(yard):
        job = large.enqueue()
        assert began.wait(10)
        with ballast.open("wb", buffering=0) as file:
            fill(file)
        go.set()
        eventually(lambda: retries)
        assert job.refresh().status == "running"
        ballast.unlink()
        job.wait(20)
        assert "the disk is full" in retries[0].error
        assert (len(job.result), job.attempt) == (900_000, 1)


def fill(file):
    """Write until not one page more has room."""
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass


@contextmanager
def nobody():
    """Root may write everything: be somebody else for a while, who may not even see the code that is yet to load."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
