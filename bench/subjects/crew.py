"""
Several processes that do the same at the same time: ``python -m bench.subjects.crew CALL URL ARGUMENTS`` is one.

The clock starts when all of them stand ready, with everything imported, and stops when the last is done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack

from bench.child import resolve
from bench.runner import ROOT
from bench.subjects.clock import Stopwatch

__all__ = ["main", "together"]

Member = subprocess.Popen[str]


def together(url: str, call: str, workers: int, count: int, **arguments: object) -> dict[str, float]:
    """The rate of *workers* that *call* and say how much of the *count* was theirs."""
    with ExitStack() as stack:
        crew = [stack.enter_context(_start(url, call, arguments)) for _ in range(workers)]
        for member in crew:
            assert _line(member) == "ready"
        watch = Stopwatch()
        for member in crew:
            assert member.stdin
            member.stdin.close()
        shares = [json.loads(_line(member))["count"] for member in crew]
        rate = watch.per_s(count)
    assert sum(shares) == count, shares
    return {"per_s": rate}


def _start(url: str, call: str, arguments: dict[str, object]) -> Member:
    command = [sys.executable, "-m", __name__, call, url, json.dumps(arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(member: Member) -> str:
    assert member.stdout
    return member.stdout.readline().strip()


def main() -> None:
    """Be one of them."""
    call, url, arguments = sys.argv[1:]
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["JOBYARD_URL"] = url
    run = resolve(call)
    print("ready", file=answer, flush=True)
    sys.stdin.read()
    with answer:
        print(json.dumps(run(url, **json.loads(arguments))), file=answer)


if __name__ == "__main__":
    main()
