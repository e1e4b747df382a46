"""Mirrors and active commits: what is where afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine.block import job_verbs
from qmpx.machine.block.mirroring import MirrorJob
from tests.machine.block.conftest import KIB, MIB, Shop, places

if TYPE_CHECKING:
    from tests.machine.block.conftest import Chain


def test_a_completed_mirror_puts_its_target_into_the_drive(shop: Shop) -> None:
    drive = shop.graph.drives.plug("source", "disk")
    job = shop.mirror()
    shop.clock.advance(0)
    job_verbs.complete(job)
    shop.clock.advance(0)
    assert drive.medium is not None
    assert drive.medium.node_name == "target"


def test_an_active_commit_pivots_to_the_base(chain: Chain) -> None:
    drive = chain.graph.drives.plug("top", "disk")
    job = MirrorJob(chain.graph, "c", chain.top, chain.base, is_commit=True)
    chain.run(job)
    assert job.status == "ready"
    drive.write(6 * MIB // 512 // 2, b"\4" * 512)  # followed, as it is ready
    job_verbs.complete(job)
    chain.clock.advance(0)
    assert places(chain.base) == b"\1\2\3"
    assert chain.base.read(3 * MIB, 1) == b"\4"
    assert drive.medium is not None
    assert drive.medium.node_name == "base"
    drive.write(0, b"\5" * 512)
    assert chain.base.read(0, 1) == b"\5"


@pytest.mark.parametrize(
    ("sync", "copied"), [("full", b"\1\2\3"), ("top", b"\0\0\3"), ("none", b"\0\0\0")]
)
def test_a_mirror_copies_and_follows(chain: Chain, sync: Any, copied: bytes) -> None:
    job = MirrorJob(chain.graph, "m", chain.top, chain.copy, sync=sync)
    chain.run(job)
    assert places(chain.copy) == copied
    chain.top.write(3 * MIB, b"\6" * KIB)
    assert chain.copy.read(3 * MIB, 2) == b"\6\6"
    assert job.total == job.offset


def test_a_mirror_refuses_a_target_of_another_size(chain: Chain) -> None:
    chain.graph.add({"driver": "null-co", "node-name": "small", "size": MIB})
    job = MirrorJob(chain.graph, "m", chain.top, chain.graph.nodes["small"])
    chain.run(job)
    assert job.error == "Source and target image have different sizes"
    assert chain.graph.jobs == {}


@pytest.mark.parametrize(
    ("is_zero", "more", "total"),
    [
        (False, {}, 4 * MIB),
        (True, {}, 64 * KIB),
        (False, {"discard": "unmap"}, 64 * KIB),
    ],
)
def test_what_the_source_has_not_is_left_out_where_the_target_is_zero(
    chain: Chain, total: int, more: dict[str, str], *, is_zero: bool
) -> None:
    chain.image("alone", "", "")
    chain.image("goal", "", "")
    source, goal = chain.add("alone", "qcow2"), chain.add("goal", "qcow2", **more)
    source.write(MIB, b"\2" * (64 * KIB))
    goal.write(0, b"\0" * KIB if is_zero else b"\7" * KIB)
    job = MirrorJob(chain.graph, "m", source, goal, is_zero=is_zero)
    chain.run(job)
    assert (job.total, job.offset) == (total, total)
    assert places(goal) == b"\0\2\0"
