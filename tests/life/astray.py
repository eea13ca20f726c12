"""
Runs another program of Python's as on a machine whose clock is wrong: ``python astray.py 86400 python app.py worker``.

Whatever asks Python for the time is told one that is so many seconds ahead, from before jobyard is imported.
"""

from __future__ import annotations

import runpy
import sys
import time


def shift(seconds: int) -> None:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + seconds * 1_000_000_000


if __name__ == "__main__":
    _, ahead, _, *sys.argv = sys.argv
    shift(int(ahead))
    runpy.run_path(sys.argv[0], run_name="__main__")
