"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_example_runs(tmp_path):
    """For real: a script in an empty folder, in a process of its own."""
    (example,) = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}

    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[1-9]\d+ functions in Python's email package\n", done.stdout)
    assert (tmp_path / "jobyard.db").is_file()


def test_what_it_links_to_exists():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if not README.parent.joinpath(link).exists()] == []
