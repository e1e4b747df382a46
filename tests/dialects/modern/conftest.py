"""A machine with images, served to a client, and how to wait for its jobs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine
from qmpx.machine.block.qcow2_header import new_image
from tests.dialects.conftest import boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dialects.conftest import Box

MIB = 1 << 20
SECONDS = 10.0


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Box]:
    """Serve a machine with a raw image, one in front of it, and a drive."""
    (tmp_path / "base").write_bytes(b"\1" * MIB)
    content = new_image(MIB, backing_file="base", backing_format="raw", version=3)
    (tmp_path / "top").write_bytes(content)
    machine = Machine()
    with boxed(machine) as served:
        for name, driver in (("base", "raw"), ("top", "qcow2")):
            file = {"driver": "file", "filename": str(tmp_path / name)}
            behind = {"backing": "base"} if name == "top" else {}
            served.run(
                "blockdev-add", driver=driver, node_name=name, file=file, **behind
            )
        served.do(lambda: machine.blocks.drives.plug("top", "disk"))
        yield served
        served.do(machine.close)


def wait(box: Box, id_: str, status: str) -> None:
    """Wait until a job is in a state; one that is gone is ``null``."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = {job["id"]: job["status"] for job in box.run("query-jobs")}
        if found.get(id_, "null") == status:
            return
    pytest.fail(f"{id_} is not {status}")


def statuses(box: Box) -> list[str]:
    """Return the states that jobs have come to."""
    return [data["status"] for name, data in box.events() if name.startswith("JOB")]
