"""Each example runs as it stands, complains of nothing, and ends well.

An example may state what it prints, in its docstring: a paragraph that ends in
``prints::``, and below it, indented, the output. ``...`` stands there for anything
within a line, and alone on a line for any number of lines.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.pages import compare

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
STATED = re.compile(r"\bprints::\n\n(?P<output>(?:(?: {4}.*)?\n)+)")
SECONDS = 30.0


def python(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in *folder*, with warnings on."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def stated_output(source: str) -> list[str] | None:
    """Return the lines that an example says it prints, or None."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    stated = STATED.search(f"{docstring}\n")
    return textwrap.dedent(stated["output"]).splitlines() if stated else None


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    ended = python(path, folder=tmp_path)
    complaints = [
        line
        for line in ended.stderr.splitlines()
        if not line.startswith("qmpx: serving ")  # a server that it started
    ]
    assert (ended.returncode, complaints) == (0, [])
    assert ended.stdout
    if (stated := stated_output(path.read_text())) is not None:
        compare(path.name, "what it prints", stated, ended.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in EXAMPLES if p.name.startswith("test_")], ids=lambda p: p.name
)
def test_an_example_of_tests_passes(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    ended = python("-m", "pytest", "-q", copy, folder=tmp_path)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    ("docstring", "stated"),
    [
        ("An example.", None),
        (
            "It prints::\n\n    a\n      b\n\n    c\n\nMore.\n",
            ["a", "  b", "", "c", ""],
        ),
    ],
)
def test_an_example_states_its_output(docstring: str, stated: list[str] | None) -> None:
    assert stated_output(f'"""{docstring}"""\n') == stated
