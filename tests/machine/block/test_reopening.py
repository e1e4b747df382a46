"""Nodes changed while they are in use: what is refused, and what is left then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block.reopening import reopen
from tests.machine.block.conftest import MIB, file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph

NULL = {"driver": "null-co", "node-name": "n", "size": MIB}
RAW = {"driver": "raw", "node-name": "r", "file": "n"}


@pytest.fixture
def nodes(graph: BlockGraph, tmp_path: Path) -> BlockGraph:
    """Make a node of nothing, one over it, and an image with one behind it."""
    graph.add(dict(NULL))
    graph.add(dict(RAW))
    graph.add({"driver": "copy-on-read", "node-name": "c", "file": "r"})
    graph.add({"driver": "qcow2", "node-name": "q", "file": file(tmp_path, "cow")})
    return graph


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({**NULL, "size": 2 * MIB}, "Cannot change the option 'size'"),
        (
            {"driver": "null-co", "node-name": "n"},
            "Option 'size' cannot be reset to its default value",
        ),
        ({**NULL, "driver": "null-aio"}, "Cannot change the option 'driver'"),
        ({**NULL, "latency-ns": 5}, "Cannot change the option 'latency-ns'"),
        (
            {**NULL, "force-share": True, "read-only": True},
            "Cannot change the option 'force-share'",
        ),
        ({**RAW, "file": {"driver": "file"}}, "Cannot change the option 'file.driver'"),
        (
            {**RAW, "offset": MIB, "size": 512},
            (
                "The sum of offset (1048576) and size (512) has to be smaller or "
                "equal to the  actual size of the containing file (1048576)"
            ),
        ),
        (
            {**RAW, "file": "c"},
            "Making 'c' a file child of 'r' would create a cycle",
        ),
        (
            {"driver": "copy-on-read", "node-name": "c", "file": "r"},
            (
                "Block format 'copy-on-read' used by node 'c' does not support "
                "reopening files"
            ),
        ),
        (
            {"driver": "qcow2", "node-name": "q"},
            "backing is missing for 'q'",
        ),
    ],
)
def test_what_cannot_be_changed_is_refused(
    nodes: BlockGraph, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(GenericError) as caught:
        reopen(nodes, [options])
    assert caught.value.desc == said


def test_nothing_is_changed_if_one_node_cannot_be(nodes: BlockGraph) -> None:
    with pytest.raises(GenericError, match="Cannot change the option 'size'"):
        reopen(nodes, [{**RAW, "offset": 512}, {**NULL, "size": 2 * MIB}])
    assert nodes.nodes["r"].size == MIB
    reopen(nodes, [{**RAW, "offset": 512}, {**NULL, "detect-zeroes": "on"}])
    assert nodes.nodes["r"].size == MIB - 512
    assert nodes.nodes["n"].detect_zeroes == "on"


def test_what_a_drive_writes_does_not_become_read_only(nodes: BlockGraph) -> None:
    nodes.drives.plug("r", "disk")
    said = "Read-only block node 'r' cannot support read-write users"
    with pytest.raises(GenericError, match=said):
        reopen(nodes, [{**RAW, "read-only": True}])
