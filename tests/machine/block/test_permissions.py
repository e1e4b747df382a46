"""What parents need of nodes, and what they bear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.block.permissions import (
    ALL,
    READ,
    RESIZE,
    SAME,
    WRITE,
    check_resize,
    check_target,
    edges,
    in_order,
    needed,
)
from qmpx.machine.block.qcow2_header import new_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph

MIB = 1 << 20


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[BlockGraph]:
    """Make a graph with a raw image, one in front of it, and one drive."""
    (tmp_path / "raw").write_bytes(bytes(MIB))
    content = new_image(MIB, backing_file="raw", backing_format="raw", version=3)
    (tmp_path / "cow").write_bytes(content)
    machine = Machine()
    graph = machine.blocks
    for name, driver in (("raw", "raw"), ("cow", "qcow2")):
        path = str(tmp_path / name)
        graph.add({"driver": "file", "node-name": f"{name}-file", "filename": path})
        options = {"driver": driver, "node-name": name, "file": f"{name}-file"}
        graph.add(options | ({"backing": "raw"} if name == "cow" else {}))
    graph.drives.plug("cow", "disk")
    yield graph
    machine.close()


def test_needs_are_passed_down_as_in_qemu(graph: BlockGraph) -> None:
    told = {
        name: [(e.name, in_order(e.perm), in_order(e.shared)) for e in edges(node)]
        for name, node in graph.nodes.items()
    }
    assert told == {
        "cow": [("root", [WRITE, READ], [RESIZE, SAME, READ])],
        "cow-file": [("file", [RESIZE, WRITE, READ], [SAME, READ])],
        "raw": [("backing", [READ], [SAME, READ])],
        "raw-file": [("file", [READ], [SAME, READ])],
    }


def test_what_nobody_uses_is_free(graph: BlockGraph) -> None:
    graph.add({"driver": "null-co", "node-name": "null"})
    assert needed(graph.nodes["null"]) == (frozenset(), frozenset(ALL))
    check_target(graph.nodes["null"], frozenset())
    check_resize(graph.nodes["null"])


@pytest.mark.parametrize(
    ("node", "user", "text"),
    [
        (
            "cow-file",
            None,
            (
                "permissions 'consistent read, write, resize' are both required by "
                "node 'cow' (uses node 'cow-file' as 'file' child) and unshared by an "
                "unnamed block device (uses node 'cow-file' as 'root' child)."
            ),
        ),
        (
            "raw",
            "top",
            (
                "permissions 'consistent read' are both required by node 'cow' (uses "
                "node 'raw' as 'backing' child) and unshared by node 'top' (uses node "
                "'raw' as 'target' child)."
            ),
        ),
    ],
)
def test_a_target_that_is_used_is_refused(
    graph: BlockGraph, node: str, user: str | None, text: str
) -> None:
    with pytest.raises(GenericError) as caught:
        check_target(graph.nodes[node], frozenset({SAME}), user)
    assert caught.value.desc == f"Permission conflict on node '{node}': {text}"


def test_an_image_that_is_open_keeps_its_file_at_its_size(graph: BlockGraph) -> None:
    with pytest.raises(GenericError, match="permissions 'resize' are both required"):
        check_resize(graph.nodes["cow-file"])


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (
            "cow",
            (
                "permissions 'write' are both required by block device 'disk' (uses "
                "node 'cow' as 'root' child) and unshared by block device 'new' (uses "
                "node 'cow' as 'root' child)."
            ),
        ),
        (
            "front",
            (
                "permissions 'write' are both required by block device 'disk' (uses "
                "node 'cow' as 'root' child) and unshared by node 'front' (uses node "
                "'cow' as 'file' child)."
            ),
        ),
    ],
)
def test_a_drive_may_not_write_what_another_reads(
    graph: BlockGraph, node: str, text: str
) -> None:
    graph.add({"driver": "raw", "node-name": "front", "file": "cow"})
    name = "cow"
    with pytest.raises(GenericError) as caught:
        graph.drives.plug(node, "new")
    assert caught.value.desc == f"Permission conflict on node '{name}': {text}"


def test_drives_that_share_what_they_write_have_one_node(graph: BlockGraph) -> None:
    graph.add({"driver": "null-co", "node-name": "null"})
    for name in ("one", "two"):
        graph.drives.plug("null", name, shares_writes=True)
    with pytest.raises(GenericError, match="required by block device 'two'"):
        graph.drives.plug("null", "three")
