"""What workers that have nothing to do ask of the server: a farm is idle for most of its time."""

from __future__ import annotations

from bench.measurement import Measurement, Sizes, Subject, step

__all__ = ["postgres"]


def postgres(sizes: Sizes) -> list[Measurement]:
    """No floor: it is to be known."""
    subjects = (_subject("one worker", sizes, 1), _subject("four workers", sizes, 4))
    note = "All of the server's, by its own count; each worker has run a job before."
    return [Measurement("idle", "What idle workers ask of the server", subjects, (), note)]


def _subject(name: str, sizes: Sizes, workers: int) -> Subject:
    return Subject(name, (step("bench.subjects.idle_postgres:idle", workers=workers, seconds=sizes.idle_s),))
