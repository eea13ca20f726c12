"""Whether telling a listener costs those who enqueue: every NOTIFY passes one lock of the whole server."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step

__all__ = ["postgres"]


def postgres(sizes: Sizes) -> list[Measurement]:
    """The same clients with and without."""
    on, off = "notify on", "notify off"
    return [
        Measurement(
            "clients",
            "32 clients enqueue one at a time, an idle worker of another queue listens",
            (_subject(on, sizes.jobs, True), _subject(off, sizes.jobs, False)),
            (Floor("of the same without NOTIFY", (on, "per_s"), 0.7, (off, "per_s")),),
        )
    ]


def _subject(name: str, count: int, notify: bool) -> Subject:
    return Subject(name, (step("bench.subjects.clients_postgres:clients", count=count, notify=notify),))
