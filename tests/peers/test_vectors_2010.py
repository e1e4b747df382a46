"""Conversations recorded on a real QEMU 0.13, against ``qmpx serve --dialect 2010``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import VECTORS

RUNNER = VECTORS / "replay.py"
SERVE = (
    f"{Path(sys.executable).with_name('qmpx')} serve --dialect 2010 "
    "--qmp unix:{q0} --qmp unix:{q1} --hmp unix:{h0} -- {options}"
)

GROUPS = [
    "protocol basics",
    "argument checker",
    "block and vnc commands",
    "vm state, cpu, memory, misc queries",
    "balloon (no device)",
    "incoming migration pending",
    "no display",
    "-no-shutdown and quit",
    "unbalanced input",
    "guest-caused events",
    "block migration",
    "key refused",
    "devices and networking",
    "outgoing migration",
    "HMP parsing and messages",
]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.peer("qemu-0.13")
@pytest.mark.parametrize("group", GROUPS)
def test_each_recorded_conversation_goes_alike(group: str) -> None:
    """Strictly: members in the same order, the same separators, CR LF."""
    done = subprocess.run(
        [
            sys.executable,
            *(str(RUNNER), "--server", SERVE, "--strict", f"--group={group}"),
            str(VECTORS / "vectors.public.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^[1-9]\d* passed, 0 failed$", done.stdout, re.MULTILINE), (
        done.stdout
    )


@pytest.mark.peer("qemu-0.13")
def test_no_group_is_forgotten() -> None:
    vectors = json.loads(VECTORS.joinpath("vectors.public.json").read_text())
    names = {g["group"] for g in vectors["groups"]}
    assert names == set(GROUPS)
