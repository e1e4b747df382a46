"""Nodes that are files: who else may have them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.runstate import RunState
from tests.machine.block.conftest import file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph


def test_a_file_that_others_write_is_refused(graph: BlockGraph, tmp_path: Path) -> None:
    other = Machine()
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    graph.add(options)
    with pytest.raises(CommandError) as caught:
        other.blocks.add(options)
    assert caught.value.desc == 'Failed to get "write" lock'
    assert other.blocks.nodes == {}
    graph.delete("c")
    other.blocks.add(options)
    other.close()


def test_who_awaits_a_machine_locks_nothing_until_it_has_come(
    graph: BlockGraph, tmp_path: Path
) -> None:
    other = Machine()
    other.state = RunState.INMIGRATE
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    node = graph.add(options)
    copy = other.blocks.add(options)
    node.write(0, b"\7" * 512)
    graph.inactivate()
    other.transfer(RunState.PAUSED)
    assert copy.read(0, 2) == b"\7\7"
    with pytest.raises(OSError, match='Failed to get "write" lock'):
        graph.lock()
    other.close()


@pytest.mark.peer("qemu-img")
def test_qemu_heeds_our_locks_and_we_heed_its(
    graph: BlockGraph, tmp_path: Path
) -> None:
    graph.add({"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")})
    done = subprocess.run(
        ["qemu-img", "info", str(tmp_path / "cow")],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert 'Failed to get shared "write" lock' in done.stderr
    graph.delete("c")
    subprocess.run(
        ["qemu-img", "info", str(tmp_path / "cow")],
        capture_output=True,
        timeout=20,
        check=True,
    )
