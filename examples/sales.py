"""
Extract, transform, load: jobs that wait for others, a failure that does not stop the rest, a retry, and ops.

Run it in an empty folder: ``python sales.py``.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jobyard import Retry, Yard, ctx, retval

yard = Yard("sqlite:///sales.db")
log = logging.getLogger("sales")

SHOPS = {
    "north": "apple,3\npear,1\napple,2\n",
    "south": "pear,4\nplum,9\n",
    "west": "apple,two\n",
}


@dataclass
class Sales:
    """What one shop sold."""

    shop: str
    pieces: dict[str, int]


@yard.task()
def extract(shop: str) -> Path:
    """Fetch the file of a shop. Here it is made up."""
    path = Path(f"{shop}.csv")
    path.write_text(SHOPS[shop], encoding="utf-8")
    return path


@yard.task(retry=Retry(3, delay=0.1, on=[OSError]))
def transform(path: Path) -> Sales:
    """Add up what was sold. A broken file is no reason to try again, an absent one is."""
    pieces: Counter[str] = Counter()
    with path.open(encoding="utf-8", newline="") as file:
        for fruit, count in csv.reader(file):
            pieces[fruit] += int(count)
    log.info("%s sold %d pieces", path.stem, pieces.total())
    return Sales(path.stem, dict(pieces))


@yard.task()
def load(jobs: list[int]) -> dict[str, int]:
    """Add up all shops that could be read, and say which could not."""
    total: Counter[str] = Counter()
    for job in ctx.track([yard.job(id) for id in jobs]):
        if job.status == "succeeded":
            total.update(job.result.pieces)
        elif job.error is not None:
            log.warning("job %d is left out: %s", job.id, job.error.summary)
    return dict(total)


def main() -> None:
    # One job of two ops for each shop: should the second fail, a retry does not fetch the file again.
    shops = [yard.enqueue(extract.op(shop), transform.op(retval(op=0)), title=f"read {shop}") for shop in SHOPS]
    after = {shop: {"succeeded", "failed"} for shop in shops}
    total = load.using(after=after).enqueue([shop.id for shop in shops])

    yard.worker().run_until_idle()

    print(total.wait().result)
    for entry in total.get_log_entries():
        print(f"{logging.getLevelName(entry.level)}: {entry.message}")


if __name__ == "__main__":
    main()
