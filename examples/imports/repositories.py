"""Git repositories to import, made on the spot."""

import subprocess
from pathlib import Path

ME = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")


def git(where: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(where), *ME, *words], check=True, capture_output=True, text=True)
    return done.stdout


def make(where: Path, commits: int) -> Path:
    """A new repository with this many commits."""
    where.mkdir(parents=True)
    git(where, "init", "--quiet", "--initial-branch=main")
    git(where, "config", "uploadpack.allowAnySHA1InWant", "true")
    return grow(where, commits)


def grow(where: Path, commits: int) -> Path:
    """Add commits to a repository."""
    book = where / "book"
    first = len(book.read_text().splitlines()) if book.exists() else 0
    for number in range(first + 1, first + commits + 1):
        with book.open("a") as file:
            file.write(f"line {number}\n")
        git(where, "add", "book")
        git(where, "commit", "--quiet", "--message", f"Write line {number}")
    return where
