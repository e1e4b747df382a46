"""Machines saved in their images by jobs: a real QEMU and ours, step by step."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.machines import PROGRAMS, running
from tests.peers.twins import Talk

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu", "qemu-img"), pytest.mark.slow]

NODES = {"vmstate": "d", "devices": ["d"]}

STEPS: list[tuple[str, dict[str, Any]]] = [
    ("snapshot-save", {"job-id": "s1", "tag": "a", **NODES}),
    ("snapshot-save", {"job-id": "s2", "tag": "a", **NODES}),
    ("stop", {}),
    ("snapshot-save", {"job-id": "s3", "tag": "b", **NODES}),
    ("snapshot-load", {"job-id": "l1", "tag": "a", **NODES}),
    ("query-status", {}),
    ("cont", {}),
    ("snapshot-load", {"job-id": "l2", "tag": "b", **NODES}),
    ("query-status", {}),
    ("snapshot-load", {"job-id": "l3", "tag": "none", **NODES}),
    ("query-status", {}),
    ("cont", {}),
    ("snapshot-delete", {"job-id": "d1", "tag": "b", "devices": ["d"]}),
    ("snapshot-delete", {"job-id": "d2", "tag": "none", "devices": ["d"]}),
    ("snapshot-delete", {"job-id": "d3", "tag": "a", "devices": ["none"]}),
    ("snapshot-save", {"job-id": "e1", "tag": "c", "vmstate": "d", "devices": []}),
    ("snapshot-save", {"job-id": "e2", "tag": "c", "vmstate": "x", "devices": ["d"]}),
    ("snapshot-save", {"job-id": "e3", "tag": "c", "vmstate": "r", "devices": ["r"]}),
    ("snapshot-save", {"job-id": "e1", "tag": "c", **NODES}),
    ("query-jobs", {}),
]


def converse(program: str, image: Path) -> list[Any]:
    """Take all steps with one of the two; return what it said to each."""
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", image, "16M"], check=True)
    (image.parent / "raw").write_bytes(bytes(4096))
    with running(program) as machine:
        talk = Talk(machine.qmp)
        for name, driver, path in (
            ("d", "qcow2", image),
            ("r", "raw", image.parent / "raw"),
        ):
            file = {"driver": "file", "filename": str(path)}
            options = {"driver": driver, "node-name": name, "file": file}
            talk.run("blockdev-add", options)
        said: list[Any] = []
        for name, arguments in STEPS:
            heard = talk.run(name, arguments)
            if name.startswith("snapshot-") and "return" in heard[-1]:
                ended = {"id": arguments["job-id"], "status": "concluded"}
                heard += talk.until("JOB_STATUS_CHANGE", **ended)
            said.append((name, heard))
        talk.close()
    return said


def test_jobs_end_alike_and_leave_the_machine_alike(tmp_path: Path) -> None:
    theirs, ours = (
        converse(program, tmp_path / f"image{number}")
        for number, program in enumerate(PROGRAMS)
    )
    assert ours == theirs
