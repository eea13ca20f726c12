"""What starting costs."""

from __future__ import annotations

from bench.measurement import Floor, Measurement, Sizes, Subject, step

__all__ = ["sqlite"]


def sqlite(sizes: Sizes) -> list[Measurement]:
    """Python alone, the import, the help, and a worker up to the end of its first job."""
    return [
        Measurement(
            "start",
            "Starting",
            (
                _start("bare Python", ["-c", "pass"], sizes),
                _start("import jobyard", ["-c", "import jobyard"], sizes),
                _start("jobyard --help", ["-m", "jobyard", "--help"], sizes),
                Subject("first job done", (step("bench.subjects.jobyard_yard:first_job"),)),
            ),
            (
                Floor(
                    "import: ms over bare Python",
                    ("import jobyard", "ms"),
                    80,
                    minus=("bare Python", "ms"),
                    at_most=True,
                ),
                Floor("--help: ms at most", ("jobyard --help", "ms"), 200, at_most=True),
                Floor("first job done: ms at most", ("first job done", "ms"), 320, at_most=True),
            ),
        )
    ]


def _start(name: str, arguments: list[str], sizes: Sizes) -> Subject:
    return Subject(name, (step("bench.subjects.process:start", arguments=arguments, count=sizes.starts),))
