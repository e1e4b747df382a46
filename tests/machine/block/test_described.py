"""Drives whose nodes are described by options."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.block.described import node_options, plug_described


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        ({"file": "disk.img"}, None),
        ({"id": "d", "if": "none"}, None),
        (
            {"file": "null-co://", "file.read-zeroes": "on", "format": "raw"},
            {"driver": "raw", "file": {"driver": "null-co", "read-zeroes": True}},
        ),
        (
            {"driver": "null-co", "size": "4096", "if": "none"},
            {"driver": "null-co", "size": 4096},
        ),
        (
            {"file.driver": "file", "file.filename": "a.img", "driver": "qcow2"},
            {"driver": "qcow2", "file": {"driver": "file", "filename": "a.img"}},
        ),
    ],
)
def test_options_with_dots_and_protocols_describe_nodes(
    options: dict[str, str], nodes: dict[str, Any] | None
) -> None:
    assert node_options(options) == nodes


def test_the_nodes_go_with_the_drive() -> None:
    machine = Machine()
    options = {"if": "none", "id": "d0", "file": "null-co://", "format": "raw"}
    nodes = node_options(options)
    assert nodes is not None
    drive = plug_described(machine, options, nodes)
    assert drive is not None
    assert (drive.device, drive.medium is not None) == ("d0", True)
    assert len(machine.blocks.nodes) == 2
    machine.blocks.drives.unplug(drive)
    assert not machine.blocks.nodes
    assert not machine.drives
