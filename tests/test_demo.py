"""The census of the standard library: what it counts, what it draws, and the whole of it as users run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jobyard.demo.census import Census, added_up, by_package
from jobyard.demo.chart import Field, draw, share_out
from jobyard.demo.library import folder_of_library, source_files
from jobyard.demo.source import FileCount, count_source
from jobyard.demo.table import as_text

SVG = "{http://www.w3.org/2000/svg}"

SMALL_LIBRARY = """
import json, sys, sysconfig
sysconfig.get_path = lambda name: sys.argv[1]
from jobyard.demo.tasks import find, yard
find.enqueue(sys.argv[2])
yard.worker().run_until_idle()
[report] = yard.jobs(task="census.report")
total = report.result.total
print(json.dumps({
    "files": total.files, "lines": total.lines, "functions": total.functions, "docstrings": total.docstrings,
    "added": report.result.added, "unparsed": [[file.path, file.error] for file in report.result.unparsed],
}))
"""


def counted(source: str) -> FileCount:
    return count_source("module.py", source.encode(), file="module.py")


def census(files: list[FileCount]) -> Census:
    packages = [added_up(name, inside) for name, inside in by_package(files).items()]
    return Census("3.14.0", "/lib", added_up("in all", files), packages, files[0], [], None)


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env | environment, capture_output=True, text=True, timeout=100
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder) -> subprocess.CompletedProcess[str]:
    """The demo as it is run by `make demo`, once for all that is asked of it."""
    return run("-m", "jobyard", "demo", cwd=folder)


def test_counts_what_is_in_a_source_file():
    source = (
        '"""Text."""\n\nclass A:\n    """Text."""\n\n    def f(self): ...\n\n    async def g(self):\n        "Text."'
    )

    assert counted(source) == FileCount("module.py", lines=9, functions=2, classes=1, docstrings=3, nesting=2)


@pytest.mark.parametrize(
    ("source", "nesting"),
    [
        ("", 0),
        ("a = 1\n", 0),
        ("if a:\n    b\n", 1),
        ("if a:\n    b\nelif c:\n    d\nelif e:\n    f\n", 1),
        ("if a:\n    b\nelse:\n    if c:\n        d\n    e\n", 2),
        ("try:\n    a\nexcept E:\n    b\nfinally:\n    c\n", 1),
        ("match a:\n    case 1:\n        b\n", 2),
        ("def f():\n    for a in b:\n        with c:\n            while d:\n                e\n", 4),
        ("a = [lambda: (b if c else d) for e in f]\n", 0),
    ],
)
def test_nesting_is_the_number_of_blocks_around_the_deepest_statement(source, nesting):
    assert counted(source).nesting == nesting


@pytest.mark.parametrize(("source", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\n\nb", 3)])
def test_a_last_line_without_an_end_is_a_line(source, lines):
    assert counted(source).lines == lines


def test_a_file_that_does_not_parse_is_named_by_the_error():
    with pytest.raises(SyntaxError) as error:
        count_source("bad.py", b"def f(\n", file="/lib/bad.py")

    assert error.value.filename == "/lib/bad.py"


def test_the_library_is_found_without_what_is_installed_beside_it(tmp_path):
    for path in ("os.py", "email/mime/text.py", "site-packages/x.py", "email/__pycache__/y.py", "LICENSE.txt"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    assert source_files(tmp_path) == ["email/mime/text.py", "os.py"]


def test_parts_of_a_field_cover_it_in_their_sizes():
    sizes = [60, 25, 10, 4, 1, 0]

    parts = list(share_out(sizes, Field(10, 20, 300, 100)))

    assert [part.width * part.height for part in parts] == pytest.approx([size * 300 for size in sizes])
    assert all(part.x >= 10 and part.x + part.width <= 310.001 for part in parts)
    assert all(part.y >= 20 and part.y + part.height <= 120.001 for part in parts)


def test_the_map_names_every_file():
    files = [FileCount(f"a<b/{number}.py", 10 + number, 1, 0, 1, 1) for number in range(30)]
    files += [FileCount("os.py", 50, 3, 1, 5, 2), FileCount("empty.py", 0, 0, 0, 0, 0)]

    picture = ElementTree.fromstring(draw(census(files), by_package(files)))

    titles = [title.text for title in picture.iter(f"{SVG}title")]
    assert {title.split(":")[0] for title in titles} == {file.path for file in files} | {"a<b", "os", "empty"}
    assert "os.py: 50 lines, 100% documented, 2 blocks deep" in titles


def test_the_report_lists_every_package():
    files = [FileCount(f"m{number}.py", 1000 * (number + 1), 0, 0, 1, 0) for number in range(40)]

    text = as_text(census(files))

    assert re.search(r"^m39 +1 +40,000 +0 +0 +0 +██████████ 100%$", text, re.MULTILINE)
    assert [name for name in (f"m{number}" for number in range(40)) if not re.search(rf"^{name} ", text, re.M)] == []


def test_a_library_without_a_broken_file_is_given_one(tmp_path):
    """As on Debian, which leaves the tests of the library out."""
    library, folder = tmp_path / "lib", tmp_path / "census"
    library.mkdir()
    folder.mkdir()
    for number in range(20):
        (library / f"m{number}.py").write_text('"""Text."""\ndef f(): ...\n')

    done = run("-c", SMALL_LIBRARY, str(library), str(folder), cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    [[path, error]] = said.pop("unparsed")
    assert said == {"files": 20, "lines": 40, "functions": 20, "docstrings": 20, "added": "broken.py"}
    assert path == "broken.py"
    assert error.startswith("SyntaxError: expected ':'")
    assert "the demo added one that does not, broken.py" in (folder / "report.txt").read_text()


def test_the_demo_counts_the_whole_library(demo, folder):
    assert demo.returncode == 0, demo.stderr
    files = len(source_files(folder_of_library()))
    assert f"{files:,} of {files:,} files" in demo.stdout
    [total] = re.findall(r"^in all +([\d,]+) ", (folder / "census" / "report.txt").read_text(), re.MULTILINE)
    unparsed = len(re.findall(r"^  \S+\.py  ", demo.stdout, re.MULTILINE))
    added = "the demo added one" in demo.stdout
    assert unparsed >= 1
    assert int(total.replace(",", "")) == files - unparsed + added


def test_the_demo_leaves_a_picture_and_nothing_outside_its_folder(demo, folder):
    picture = ElementTree.parse(folder / "census" / "report.svg").getroot()

    assert picture.tag == f"{SVG}svg"
    assert [path.name for path in folder.iterdir()] == ["census"]


def test_what_the_demo_says_to_look_at_next_works(demo, folder):
    commands = re.findall(r"-m jobyard (--url \S+ job .+?)(?:   .*)?$", demo.stdout, re.MULTILINE)

    shown = {command.split(" ", 2)[2]: run("-m", "jobyard", *command.split(), cwd=folder) for command in commands}

    assert len(shown) == 4
    assert [done.stderr for done in shown.values() if done.returncode] == []
    assert (
        "census.parse" in shown["job list --status failed"].stdout
        or "parse " in shown["job list --status failed"].stdout
    )
    [why] = [done.stdout for command, done in shown.items() if command.startswith("job show")]
    assert "ast.parse(source, filename=file)" in why
    assert "SyntaxError" in why


def test_the_demo_runs_again_in_the_same_folder(demo, folder):
    (folder / "census" / "mine.txt").touch()

    again = run("-m", "jobyard", "demo", cwd=folder)

    assert again.returncode == 0, again.stderr
    assert (folder / "census" / "mine.txt").exists()
    listed = run(
        "-m", "jobyard", "--url", "sqlite:///census/census.db", "job", "list", "--json", "--limit", "0", cwd=folder
    )
    assert len([job for job in json.loads(listed.stdout) if job["ops"][0]["task"] == "census.find"]) == 1


def test_the_demo_refuses_another_store(tmp_path):
    done = run("-m", "jobyard", "--url", "sqlite:///other.db", "demo", cwd=tmp_path)

    assert done.returncode == 2
    assert "--folder" in done.stderr
