"""The block graph: names, and how many nodes there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block import graph as graphs

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


def test_there_is_an_end_to_nodes(
    graph: BlockGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MAX_NODES", 2)
    for name in "ab":
        graph.add({"driver": "null-co", "node-name": name})
    with pytest.raises(GenericError, match="more than 2 block nodes"):
        graph.add({"driver": "null-co", "node-name": "c"})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("1st", "Invalid node-name: '1st'"),
        ("x" * 32, "Node name too long"),
        ("taken", "Duplicate nodes with node-name='taken'"),
        ("disk0", "node-name=disk0 is conflicting with a device id"),
    ],
)
def test_names_are_checked(graph: BlockGraph, name: str, said: str) -> None:
    graph.add({"driver": "null-co", "node-name": "taken"})
    graph.machine.drives.add("disk0", id="disk0")
    with pytest.raises(GenericError) as caught:
        graph.add({"driver": "null-co", "node-name": name})
    assert caught.value.desc == said
