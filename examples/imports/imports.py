"""
Recurring imports of git repositories on two machines, one of which is killed in the middle, and one quiesced.

What runs the jobs is no worker of jobyard: each machine has a runner, `jobyard run-external`, that runs `importer.py`
for every job. The machine `north` dies while it imports; its job is reclaimed, and `south` goes on with it. Then
`south` is quiesced: it ends what it runs, and takes nothing new.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from repositories import grow, make

from jobyard import Yard

HERE = Path(__file__).parent
QUICK = {"reclaim_after": 2, "poll": 0.5}  # so that you need not wait five minutes for a dead machine
yard = Yard(user="ann", **QUICK)


@yard.task(queue="imports")
def mirror(source: str) -> None:
    """Done by `importer.py`; no worker serves the queue."""


def main() -> None:
    for name, commits in (("kernel", 12), ("editor", 3)):
        make(Path("upstream", name), commits)
    for name in ("kernel", "editor", "nowhere"):
        yard.definitions.add(name, mirror, args=[f"upstream/{name}"], every="1h")
    with runner("north") as north:
        until(lambda: "commit 3 of 12" in tail("kernel"))
        north.kill()
    with runner("south") as south:
        until(lambda: all(yard.definitions.get(name).results() for name in ("editor", "nowhere")))
        until(lambda: yard.definitions.get("kernel").last_successful)
        quiesce_in_the_middle("south")
        south.terminate()
    report()


def quiesce_in_the_middle(machine: str) -> None:
    for name in ("kernel", "editor"):
        grow(Path("upstream", name), 4)
    yard.definitions.request("kernel", "bob")
    until(lambda: "commit" in tail("kernel"))
    yard.machines.quiesce(machine, "ann", "new disk")
    yard.definitions.request("editor", "bob")
    until(lambda: yard.machines.get(machine).state == "offline")


@contextmanager
def runner(machine: str):
    """A runner for this machine, as it would be started there."""
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items()]
    command = [sys.executable, "-m", "jobyard", f"--url={yard.url}", *settings, "run-external", f"--machine={machine}"]
    options = ["--queue=imports", "--limit=1", "--", sys.executable, str(HERE / "importer.py")]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    try:
        yield process
        process.wait(30)
    finally:
        process.kill()


def tail(name: str) -> str:
    """The last lines of the job that runs, as it reported them."""
    job = yard.definitions.get(name).job
    return (job.logtail or "") if job is not None and job.status == "running" else ""


def until(condition: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def report() -> None:
    for definition in yard.definitions.list():
        results = reversed(definition.results())
        print(f"{definition.name}: {', '.join(f'{result.status} on {result.machine}' for result in results)}")
    for machine in yard.machines.list():
        print(f"{machine.name} is {machine.state}{f' ({machine.reason})' if machine.reason else ''}")
    waiting = yard.definitions.get("editor").job
    print(f"editor is {waiting.status}, requested by {waiting.requester}")


if __name__ == "__main__":
    with yard:
        main()
