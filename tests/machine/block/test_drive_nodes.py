"""The nodes in drives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from tests.machine.block.conftest import MIB, file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph


def test_a_drive_reads_and_writes_its_node(graph: BlockGraph, tmp_path: Path) -> None:
    graph.add({"driver": "raw", "node-name": "r", "file": file(tmp_path, "raw")})
    drive = graph.drives.plug("r", "disk")
    drive.write(0, b"\2" * 512)
    assert (tmp_path / "raw").read_bytes()[:513] == b"\2" * 512 + b"\1"
    with pytest.raises(GenericError, match="Node r is in use"):
        graph.delete("r")
    graph.resize(graph.nodes["r"], 2 * MIB)
    assert drive.sectors == 2 * MIB // 512
    graph.drives.unplug(drive)
    graph.delete("r")
    assert graph.machine.drives == {}


def test_a_drive_s_own_image_becomes_nodes(graph: BlockGraph, tmp_path: Path) -> None:
    path = str(tmp_path / "cow")
    drive = graph.machine.drives.plug({"file": path, "if": "none", "id": "d"})
    assert drive is not None
    graph.drives.adopt(drive)
    assert [node.driver for node in graph.nodes.values()] == [
        *("file", "qcow2", "file", "raw")
    ]
    assert drive.read(0, 1) == b"\1" * 512
    graph.drives.adopt(drive)
    assert len(graph.nodes) == 4
    graph.drives.unplug(drive)
    assert graph.nodes == {}


def test_two_drives_cannot_write_one_node(graph: BlockGraph) -> None:
    graph.add({"driver": "null-co", "node-name": "n"})
    graph.drives.plug("n", "one")
    with pytest.raises(GenericError, match="Permission conflict on node 'n'"):
        graph.drives.plug("n", "two")
    with pytest.raises(GenericError, match="Permission conflict on node 'n'"):
        graph.drives.plug("n", "cd", removable=True, has_tray=True)
