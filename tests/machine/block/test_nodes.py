"""Block nodes: what is told of writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qmpx.machine.happenings import (
    WriteThresholdReached,
)
from tests.machine.block.conftest import MIB

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph


def test_a_write_beyond_the_threshold_is_told_once(graph: BlockGraph) -> None:
    told: list[Any] = []
    graph.machine.listen(told.append)
    node = graph.add({"driver": "null-co", "node-name": "n", "size": MIB})
    node.write_threshold = 1000
    for offset in (0, 900, 2000):
        node.write(offset, bytes(200))
    assert told == [WriteThresholdReached("n", 100, 1000)]
    assert node.write_threshold == 0
