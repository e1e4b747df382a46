"""``qmpx standin`` and ``qmpx profile``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_what_stands_behind_two_hyphens_is_qemus() -> None:
    ended = qmpx("standin", "--", "-version")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("QEMU emulator version 7.2.22 (Debian ")
    ended = qmpx("standin", "--", "-foo")
    assert ended.returncode == 1
    assert ended.stderr == "qmpx-system-x86_64: -foo: invalid option\n"


def test_a_profile_can_be_given_by_option_and_by_environment(tmp_path: Path) -> None:
    file = tmp_path / "tiny.replies"
    file.write_text(
        '{"execute": "query-version"}{"return": {"qemu": '
        '{"micro": 1, "minor": 2, "major": 3}, "package": ""}}'
    )
    told = "QEMU emulator version 3.2.1\n"
    assert qmpx("standin", "--profile", file, "--", "-version").stdout == told
    assert qmpx("standin", "--", "-version", QMPX_PROFILE=str(file)).stdout == told


def test_a_profile_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = qmpx("profile", "show", tmp_path / "x")
    assert ended.returncode == 2
    assert ended.stderr == (
        f"qmpx: cannot read the profile {tmp_path}/x: No such file or directory\n"
    )


def test_a_binary_that_is_not_there_is_told(tmp_path: Path) -> None:
    ended = qmpx("profile", "capture", tmp_path / "x", "-o", tmp_path / "y")
    assert ended.returncode == 2
    assert ended.stderr == (
        f"qmpx: cannot start {tmp_path}/x: No such file or directory\n"
    )
