"""
The report as a picture: a map of the library, in SVG.

Each package is a field as large as its lines, divided into its files; the colour says how much of it has
docstrings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from jobyard.demo.census import Census, added_up
from jobyard.demo.source import FileCount

__all__ = ["Field", "draw", "share_out"]

WIDTH, HEIGHT = 1200, 860
_MARGIN = 28
_TOP = 104
_BOTTOM = 56
_STRIP = 16
_LETTER, _SMALL_LETTER = 6.7, 5.2
"""How wide the letters of names are, about."""
_SHORTEST = 8
"""Letters of a name that is cut."""
_RAMP = ((0xF4, 0xE3, 0xC8), (0x8F, 0xC1, 0xA9), (0x0B, 0x5D, 0x5E))
"""Nothing documented, half, all."""
_DARK = 0.6

_STYLE = """
text { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #23312f }
.title { font-size: 26px; font-weight: 650 }
.small { font-size: 14px; fill: #5d6b68 }
.name { font-size: 11px; font-weight: 600; fill: #fff }
.lines { font-weight: 400; fill: #b9c8c4 }
.stem { font-size: 9px; opacity: 0.75 }
.bright { fill: #fff; opacity: 0.9 }
.package { fill: #23312f }
.file:hover { stroke: #d9480f; stroke-width: 1.5 }
"""


class Field(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def shrunk(self, by: float, top: float = 0.0) -> Field:
        """The field without a border of this width, and without a strip at its top."""
        width, height = max(0.0, self.width - 2 * by), max(0.0, self.height - 2 * by - top)
        return Field(self.x + by, self.y + by + top, width, height)


def draw(census: Census, packages: Mapping[str, Sequence[FileCount]]) -> str:
    """The picture, as the text of an SVG file. *packages* has the largest first."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fbfaf6"/>',
        *_title(census),
        *_map(packages),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def share_out(sizes: Sequence[float], field: Field) -> Iterator[Field]:
    """
    Divide a field into parts of these sizes, largest first, each as near to a square as may be.

    The parts are laid in rows along the shorter side, a row being closed when one more would make it worse.
    """
    scale = field.width * field.height / (sum(sizes) or 1)
    areas = [size * scale for size in sizes]
    start = 0
    while start < len(areas):
        side = min(field.width, field.height)
        end = start + 1
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row, field = _laid(areas[start:end], field)
        yield from row
        start = end


def _worst(areas: Sequence[float], side: float) -> float:
    """How far the part of a row that is least like a square is from one."""
    thickness = sum(areas) / side if side else 0.0
    smallest = min(areas)
    if not thickness or not smallest:
        return float("inf")
    return max(max(areas) / thickness**2, thickness**2 / smallest)


def _laid(areas: Sequence[float], field: Field) -> tuple[list[Field], Field]:
    """The parts of one row, and the field that is left."""
    upright = field.width >= field.height
    side = field.height if upright else field.width
    thickness = sum(areas) / side if side else 0.0
    row, at = [], field.y if upright else field.x
    for area in areas:
        length = area / thickness if thickness else 0.0
        row.append(Field(field.x, at, thickness, length) if upright else Field(at, field.y, length, thickness))
        at += length
    if upright:
        return row, Field(field.x + thickness, field.y, max(0.0, field.width - thickness), field.height)
    return row, Field(field.x, field.y + thickness, field.width, max(0.0, field.height - thickness))


def _title(census: Census) -> Iterator[str]:
    total, broken = census.total, len(census.unparsed)
    figures = (
        f"{total.files:,} files · {total.lines:,} lines · {total.functions:,} functions · {total.classes:,} classes · "
        f"{total.documented:.0%} with a docstring · {broken} {'file does' if broken == 1 else 'files do'} not parse"
    )
    yield f'<text class="title" x="{_MARGIN}" y="52">The standard library of Python {escape(census.python)}</text>'
    yield f'<text class="small" x="{_MARGIN}" y="80">{figures}</text>'


def _map(packages: Mapping[str, Sequence[FileCount]]) -> Iterator[str]:
    whole = Field(_MARGIN, _TOP, WIDTH - 2 * _MARGIN, HEIGHT - _TOP - _BOTTOM)
    sizes = [sum(file.lines for file in files) for files in packages.values()]
    for (name, files), field in zip(packages.items(), share_out(sizes, whole), strict=True):
        yield from _package(name, files, field.shrunk(0.75))


def _package(name: str, files: Sequence[FileCount], field: Field) -> Iterator[str]:
    count = added_up(name, files)
    said = f"{name}: {count.lines:,} lines in {count.files} files, {count.documented:.0%} documented"
    yield f"<g><title>{escape(said)}</title>{_rectangle(field, 'package')}</g>"
    shown = _cut(name, field.width, _LETTER) if field.height > 2 * _STRIP else ""
    if shown:
        lines = f"{count.lines:,}"
        has_room = _cut(f"{name} {lines}", field.width, _LETTER).endswith(lines)
        text = f'{escape(shown)}<tspan class="lines" dx="5">{lines if has_room else ""}</tspan>'
        yield f'<text class="name" x="{field.x + 4:.1f}" y="{field.y + 12:.1f}">{text}</text>'
    largest = sorted(files, key=lambda file: -file.lines)
    inside = field.shrunk(0.75, _STRIP - 1 if shown else 0.0)
    for file, part in zip(largest, share_out([file.lines for file in largest], inside), strict=True):
        yield _file(file, part.shrunk(0.25))


def _file(file: FileCount, field: Field) -> str:
    share = file.docstrings / file.documentable
    said = f"{file.path}: {file.lines:,} lines, {share:.0%} documented, {file.nesting} blocks deep"
    shape = _rectangle(field, "file", f' fill="{_colour(share)}"')
    return f"<g><title>{escape(said)}</title>{shape}{_stem(file, field, share)}</g>"


def _stem(file: FileCount, field: Field, share: float) -> str:
    """The name of a file inside a package, where there is room; a single module has its name on its strip."""
    _, slash, name = file.path.rpartition("/")
    shown = _cut(name.removesuffix(".py"), field.width, _SMALL_LETTER)
    if not slash or not shown or field.height < _STRIP:
        return ""
    kind = "stem bright" if share > _DARK else "stem"
    return f'<text class="{kind}" x="{field.x + 3:.1f}" y="{field.y + 11:.1f}">{escape(shown)}</text>'


def _rectangle(field: Field, kind: str, more: str = "") -> str:
    x, y, width, height = (f"{value:.2f}" for value in field)
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"{more}/>'


def _legend() -> Iterator[str]:
    y = HEIGHT - _BOTTOM + 18
    yield f'<text class="small" x="{_MARGIN}" y="{y + 13}">with docstrings: none</text>'
    for step in range(11):
        yield f'<rect x="{_MARGIN + 154 + 22 * step}" y="{y}" width="22" height="16" fill="{_colour(step / 10)}"/>'
    yield f'<text class="small" x="{_MARGIN + 404}" y="{y + 13}">all</text>'
    told = "A field is as large as the lines in it; point at one to see which file it is."
    yield f'<text class="small" x="{WIDTH - _MARGIN}" y="{y + 13}" text-anchor="end">{told}</text>'


def _colour(share: float) -> str:
    """The colour of the ramp at this place."""
    place = min(max(share, 0.0), 1.0) * (len(_RAMP) - 1)
    step = min(int(place), len(_RAMP) - 2)
    mixed = (round(a + (b - a) * (place - step)) for a, b in zip(_RAMP[step], _RAMP[step + 1], strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _cut(text: str, width: float, letter: float) -> str:
    """As much of the text as has room; nothing if that says nothing."""
    room = int((width - 6) / letter)
    if len(text) <= room:
        return text
    return f"{text[: room - 1]}…" if room >= _SHORTEST else ""
