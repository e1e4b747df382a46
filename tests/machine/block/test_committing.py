"""Commits: what is where afterwards, on real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmpx.machine.block.committing import CommitJob
from qmpx.machine.block.format_nodes import FormatNode
from tests.machine.block.conftest import places

if TYPE_CHECKING:
    from tests.machine.block.conftest import Chain


def test_a_commit_writes_into_the_base(chain: Chain) -> None:
    chain.base.read_only = True  # as images behind others are
    chain.run(CommitJob(chain.graph, "c", chain.mid, chain.base, chain.top, chain.top))
    assert places(chain.base) == b"\1\2\1"
    assert places(chain.top) == b"\1\2\3"
    assert chain.top.backing is chain.base
    assert isinstance(chain.top, FormatNode)
    assert chain.top.image.backing_file == str(chain.folder / "base")
    assert chain.base.read_only
