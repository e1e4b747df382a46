"""A node as the image in a drive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machine.block.conftest import file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph


def test_a_node_s_image_keeps_snapshots(graph: BlockGraph, tmp_path: Path) -> None:
    below = {"driver": "qcow2", "file": file(tmp_path, "cow")}
    graph.add({"driver": "copy-on-read", "node-name": "c", "file": below})
    image = graph.drives.plug("c", "disk").image
    assert image is not None
    assert image.can_save
    image.write(0, b"\2" * 512)
    shot = image.save("before", [b"state"], seconds=1)
    image.write(0, b"\3" * 512)
    assert [each.name for each in image.snapshots()] == ["before"]
    assert image.read_state(shot, 0, 99) == b"state"
    image.load(shot)
    assert image.read(0, 1) == b"\2"
    image.delete(shot)
    assert image.snapshots() == []
