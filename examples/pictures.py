"""
A pipeline of pictures: many jobs side by side, a result of theirs as an argument, progress, and processes.

The pictures are in PGM, a format that needs no library. Run it in an empty folder: ``python pictures.py``.
"""

from __future__ import annotations

import math
from pathlib import Path

from jobyard import Yard, ctx, retval

yard = Yard("sqlite:///pictures.db")

Rows = list[bytes]


@yard.task(title="paint")
def paint(path: Path, size: int) -> Path:
    """Paint rings, which stand for a photograph."""
    middle = size / 2

    def point(x: int, y: int) -> int:
        return int(127 + 127 * math.sin(math.hypot(x - middle, y - middle) / 5))

    write(path, [bytes(point(x, y) for x in range(size)) for y in ctx.track(range(size), group="rows")])
    return path


@yard.task(title="make smaller")
def thumbnail(path: Path, by: int = 4) -> Path:
    """Take every few points of every few rows. It starts when the picture is there."""
    rows = read(path)[::by]
    small = path.with_suffix(".thumb.pgm")
    write(small, [row[::by] for row in rows])
    return small


@yard.task(title="make the sheet")
def contact_sheet(thumbnails: list[Path], path: Path) -> int:
    """Put the thumbnails side by side; returns how wide they are together."""
    pictures = [read(thumbnail) for thumbnail in thumbnails]
    rows = [b"".join(parts) for parts in zip(*pictures, strict=True)]
    write(path, rows)
    return len(rows[0])


def write(path: Path, rows: Rows) -> None:
    path.write_bytes(b"P5 %d %d 255\n" % (len(rows[0]), len(rows)) + b"".join(rows))


def read(path: Path) -> Rows:
    head, points = path.read_bytes().split(b"\n", 1)
    width = int(head.split()[1])
    return [points[start : start + width] for start in range(0, len(points), width)]


def main() -> None:
    pictures = [paint.enqueue(Path(f"picture{number}.pgm"), 160) for number in range(8)]
    thumbnails = [thumbnail.enqueue(retval(picture)) for picture in pictures]
    sheet = contact_sheet.enqueue([retval(small) for small in thumbnails], Path("sheet.pgm"))

    summary = yard.worker(processes=2, concurrency=2).run_until_idle()

    print(f"{summary.succeeded} jobs succeeded; the sheet is {sheet.wait().result} points wide: sheet.pgm")


if __name__ == "__main__":  # the child processes import this file, and must not start over
    main()
