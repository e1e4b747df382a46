"""Nodes made from their options, with what stands below and behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from tests.machine.block.conftest import file

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph


def test_what_a_header_names_is_opened_and_goes_with_it(
    graph: BlockGraph, tmp_path: Path
) -> None:
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "cow")}
    node = graph.add(options)
    chain = [(each.driver, each.read_only) for each in graph.chain(node)]
    assert chain == [("qcow2", False), ("raw", True)]
    assert node.filename == str(tmp_path / "cow")
    assert node.read(0, 4) == b"\1\1\1\1"
    assert len(graph.nodes) == 4
    graph.delete("c")
    assert graph.nodes == {}


def test_another_backing_shows_in_the_name(graph: BlockGraph, tmp_path: Path) -> None:
    below = file(tmp_path, "cow")
    node = graph.add(
        {"driver": "qcow2", "node-name": "c", "file": below, "backing": None}
    )
    assert node.filename == (
        'json:{"backing": null, "driver": "qcow2", "file": '
        f'{{"driver": "file", "filename": "{below["filename"]}"}}}}'
    )
    assert node.read(0, 4) == bytes(4)


def test_a_refused_node_leaves_nothing(graph: BlockGraph, tmp_path: Path) -> None:
    options = {"driver": "qcow2", "node-name": "c", "file": file(tmp_path, "raw")}
    with pytest.raises(GenericError, match="Image is not in qcow2 format"):
        graph.add(options)
    assert graph.nodes == {}
