"""Streams: what is where afterwards, on real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.streaming import StreamJob
from tests.machine.block.conftest import MIB, places

if TYPE_CHECKING:
    from tests.machine.block.conftest import Chain


@pytest.mark.parametrize(
    ("base", "behind", "header", "own"),
    [(None, None, None, 3), ("base", "base", "base", 2)],
)
def test_a_stream_takes_what_is_behind(
    chain: Chain, base: str | None, behind: str | None, header: str | None, own: int
) -> None:
    node = None if base is None else chain.graph.nodes[base]
    chain.run(StreamJob(chain.graph, "s", chain.top, node))
    assert places(chain.top) == b"\1\2\3"
    assert (chain.top.backing and chain.top.backing.name) == behind
    assert isinstance(chain.top, FormatNode)
    said = chain.top.image.backing_file
    assert said == (header and str(chain.folder / header))
    kinds = [chain.top.status(at)[0] for at in (0, MIB, 2 * MIB)]
    assert kinds.count("data") == own
