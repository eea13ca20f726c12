"""
Imports one git repository, commit by commit: the command that `jobyard run-external` runs.

It knows nothing of jobyard. The job comes as JSON on standard input; what it prints is the log; its exit code says how
it went. It goes on where an earlier run stopped, also one that was killed.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

SUCCESS, NO_CHANGE, PARTIAL, INVALID = 0, 2, 3, 4
AT_ONCE = 8
"""Commits in one run, so that a large repository keeps nobody waiting."""
PACE = 0.3
"""Seconds that a commit takes, as if it came from far away."""


def git(where: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(where), *words], check=True, capture_output=True, text=True).stdout


def commits(where: Path, branch: str = "main") -> list[str]:
    """All of a branch, oldest first; none of one that is not there."""
    try:
        return git(where, "rev-list", "--reverse", branch).split()
    except subprocess.CalledProcessError:
        return []


def run(source: Path, mirror: Path) -> int:
    if not (source / ".git").is_dir():
        print(f"{source} is no git repository")
        return INVALID
    if not mirror.exists():
        subprocess.run(["git", "init", "--quiet", "--bare", str(mirror)], check=True)
    wanted = commits(source)
    new = wanted[len(commits(mirror)) :]
    for commit in new[:AT_ONCE]:
        time.sleep(PACE)
        git(mirror, "fetch", "--quiet", str(source.resolve()), f"{commit}:refs/heads/main")
        print(f"commit {wanted.index(commit) + 1} of {len(wanted)}", flush=True)
    if not new:
        return NO_CHANGE
    return PARTIAL if len(new) > AT_ONCE else SUCCESS


if __name__ == "__main__":
    job = json.load(sys.stdin)
    [source] = job["ops"][0]["args"]
    sys.exit(run(Path(source), Path("mirrors", f"{job['definition']}.git")))
