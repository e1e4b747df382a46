"""Nodes that show what is below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machine.block.conftest import file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph


def test_copy_on_read_keeps_what_was_read(graph: BlockGraph, tmp_path: Path) -> None:
    inside = {"driver": "qcow2", "file": file(tmp_path, "cow"), "node-name": "c"}
    node = graph.add({"driver": "copy-on-read", "node-name": "r", "file": inside})
    below = graph.nodes["c"]
    assert below.status(0)[0] == "behind"
    assert node.read(0, 512) == b"\1" * 512
    assert below.status(0)[0] == "data"


def test_a_part_of_a_file_is_a_node(graph: BlockGraph, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512) + b"\2" * 512 + bytes(512))
    options = {"driver": "raw", "node-name": "p", "offset": 512, "size": 512}
    node = graph.add({**options, "file": file(tmp_path, "raw")})
    assert (node.size, node.read(0, 514)) == (512, b"\2" * 512 + bytes(2))
