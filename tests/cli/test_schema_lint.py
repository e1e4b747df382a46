"""``qmpx schema lint``: what it prints, and its exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program: 0.3 s

PROGRAM = """\
import qmpx
vm = qmpx.connect("unix:qmp.sock")
vm.execute("query-status")
vm.execute("migrate", uri="exec:cat", blk=True)
vm.events("NETDEV_STREAM_CONNECTED")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def test_uses_of_what_is_missing_are_found(program: Path) -> None:
    ended = qmpx("schema", "lint", "--against", "6.2,8.2", "--against", "9.2", program)
    assert (ended.returncode, ended.stderr) == (11, "")
    assert ended.stdout == (
        f"{program}:4:39: argument 'blk' of 'migrate' is deprecated in 8.2\n"
        f"{program}:4:39: argument 'blk' of 'migrate' is missing in 9.2\n"
        f"{program}:5:11: event 'NETDEV_STREAM_CONNECTED' is missing in 6.2\n"
    )


def test_what_is_deprecated_has_a_status_of_its_own(program: Path) -> None:
    ended = qmpx("schema", "lint", "--against", "8.2", program)
    assert ended.returncode == 10
    assert ended.stdout == (
        f"{program}:4:39: argument 'blk' of 'migrate' is deprecated in 8.2\n"
    )


def test_where_all_is_well_nothing_is_said(program: Path) -> None:
    ended = qmpx("schema", "lint", "--against", "7.2", program)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_programs_are_told_the_same(program: Path) -> None:
    ended = qmpx("schema", "lint", "--json", "--against", "6.2,6.2", program)
    assert ended.returncode == 11
    assert json.loads(ended.stdout) == [
        {
            "file": str(program),
            "line": 5,
            "column": 11,
            "verdict": "missing",
            "what": "event 'NETDEV_STREAM_CONNECTED'",
            "in": ["6.2"],
        }
    ]


def test_transcripts_are_looked_at_too(program: Path, tmp_path: Path) -> None:
    talk = tmp_path / "talk.jsonl"
    talk.write_text('\n{"execute": "eject", "arguments": {"forced": true}}\n')
    ended = qmpx("schema", "lint", talk, program, "--against", "7.2")
    assert ended.returncode == 11
    assert ended.stdout == (
        f"{talk}:2:36: argument 'forced' of 'eject' is missing in 7.2\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "status", "message"),
    [
        ("a.py", b"vm.execute(", 1, "{}:1: not read as Python: '(' was never closed"),
        ("a.jsonl", b"{", 1, "{}:1: not read as JSON: Input data was truncated"),
        ("a.py", b"\xff", 1, "{}: not UTF-8"),
        ("none.py", None, 2, "cannot read {}: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    name: str, content: bytes | None, status: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    ended = qmpx("schema", "lint", "--against", "7.2", path)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(f"qmpx: {message.format(path)}")
