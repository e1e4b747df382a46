"""``qmpx schema generate``: what it writes, and how it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.generation import generate_json_schema, generate_python, generate_site
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from tests.programs import qmpx
from tests.qapi.generated import SMALL, schema_of, small_schema

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program: 0.2 s

CONDITIONAL = """
{ 'command': 'a' }
{ 'command': 'b', 'if': 'CONFIG_B' }
"""


def test_a_module_is_written_for_schema_files(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(SMALL)
    output = tmp_path / "made.py"
    ended = qmpx(
        *("schema", "generate", "python", str(tmp_path / "small.json")),
        *("-o", str(output), "--title", "a small schema"),
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert output.read_text() == generate_python(schema_of(SMALL), "a small schema")
    assert {path.name for path in tmp_path.iterdir()} == {"small.json", "made.py"}


def test_a_module_is_printed_for_saved_introspection(tmp_path: Path) -> None:
    saved = tmp_path / "schema.json"
    told = to_introspection(small_schema())
    saved.write_text(json.dumps(told))
    ended = qmpx("schema", "generate", "python", str(saved), "-o", "-")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == generate_python(from_introspection(told), str(saved))


def test_what_a_build_lacks_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(CONDITIONAL)
    line = ["schema", "generate", "python", str(tmp_path / "t.json"), "-o", "-"]
    assert "def b()" in qmpx(*line).stdout
    assert "def b()" in qmpx(*line, "-D", "CONFIG_B").stdout
    assert "def b()" not in qmpx(*line, "--define", "CONFIG_A").stdout


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(CONDITIONAL)
    output = str(tmp_path / "no" / "such" / "folder.py")
    ended = qmpx(
        *("schema", "generate", "python", str(tmp_path / "t.json"), "-o", output)
    )
    assert ended.returncode == 2
    assert ended.stderr == f"qmpx: cannot write {output}: No such file or directory\n"


def test_a_schema_that_is_wrong_is_told_and_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{ 'command': 'A' }")
    output = tmp_path / "made.py"
    output.write_text("old")
    ended = qmpx(
        *("schema", "generate", "python", str(tmp_path / "t.json")),
        *("-o", str(output)),
    )
    assert ended.returncode == 1
    assert "name of command must not use uppercase or '_'" in ended.stderr
    assert output.read_text() == "old"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: LANGUAGE"),
        (["cobol"], "'cobol' (choose from 'python', 'json-schema', 'site')"),
        (["python", "x"], "the following arguments are required: -o/--output"),
    ],
)
def test_a_slip_on_the_command_line_is_told(words: list[str], message: str) -> None:
    ended = qmpx("schema", "generate", *words)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_json_schema_is_written(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(SMALL)
    words = ["schema", "generate", "json-schema", str(tmp_path / "small.json")]
    ended = qmpx(*words, "-o", "-", "--title", "small")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == generate_json_schema(small_schema(), "small")


def test_a_site_is_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    (tmp_path / "small.json").write_text(SMALL)
    words = ["schema", "generate", "site", str(tmp_path / "small.json")]
    folder = tmp_path / "a" / "site"
    ended = qmpx(*words, "-o", str(folder), "--title", "small")
    files = generate_site(small_schema(), "small")
    said = f"{folder / 'index.html'}: {len(files)} files\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, "")
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "site"
    ended = qmpx("schema", "generate", "site", "7.2", "-o", str(folder))
    assert ended.returncode == 2
    assert ended.stderr == f"qmpx: cannot make {folder}: Not a directory\n"
