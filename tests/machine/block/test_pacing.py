"""Throttle groups hold jobs back, in the machine's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.mirroring import MirrorJob
from qmpx.machine.block.pacing import REQUEST
from qmpx.machine.block.throttling import Limits
from qmpx.machine.objects import Created

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.machine.block.graph import BlockGraph

SIZE = 8 * REQUEST


@pytest.fixture
def clock() -> VirtualClock:
    """Make a time that stands still."""
    return VirtualClock()


@pytest.fixture
def graph(tmp_path: Path, clock: VirtualClock) -> Iterator[BlockGraph]:
    """Make a graph with data, and a node that holds back what is written to it."""
    (tmp_path / "data").write_bytes(b"\1" * SIZE)
    machine = Machine(clock=clock)
    graph = machine.blocks
    path = str(tmp_path / "data")
    graph.add({"driver": "file", "node-name": "data", "filename": path})
    graph.add({"driver": "null-co", "node-name": "null", "size": SIZE})
    machine.objects.create("group", Created("throttle-group", {}))
    options = {"driver": "throttle", "node-name": "slow", "throttle-group": "group"}
    graph.add({**options, "file": "null"})
    yield graph
    machine.close()


def limit(graph: BlockGraph, **limits: Any) -> None:
    """Give the group limits."""
    named = {name.replace("_", "-"): value for name, value in limits.items()}
    group = graph.machine.qom.resolve("/objects/group")
    assert group is not None
    group.writers["limits"](named)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [  # a QEMU 7.2.22 took 1.68, 3.42, 1.67 and 0.07 seconds
        ({"bps_total": 4 * REQUEST}, 1.65),
        ({"bps_write": 2 * REQUEST}, 3.4),
        ({"iops_total": 4}, 1.65),
        ({"bps_read": 1000}, 0.0),
        ({"bps_total": 8 * REQUEST, "iops_write": 4}, 1.65),
    ],
)
def test_a_mirror_takes_as_long_as_its_group_says(
    graph: BlockGraph, clock: VirtualClock, limits: dict[str, int], seconds: float
) -> None:
    limit(graph, **limits)
    job = MirrorJob(graph, "job", graph.nodes["data"], graph.nodes["slow"])
    graph.jobs.begin(job)
    took = 0.0
    while not job.is_ready:
        clock.advance(0.01)
        took += 0.01
        assert took < 10
    assert took == pytest.approx(seconds, abs=0.06)


def test_a_group_that_is_made_anew_owes_nothing(graph: BlockGraph) -> None:
    limit(graph, bps_total=1)
    slow = graph.nodes["slow"]
    assert graph.pacing.delay(slow, 1000, is_write=True) == 0.0
    assert graph.pacing.delay(slow, 1000, is_write=True) > 900
    del graph.machine.objects["group"]
    graph.machine.objects.create("group", Created("throttle-group", {}))
    limit(graph, bps_total=1)
    assert graph.pacing.delay(slow, 1000, is_write=True) == 0.0


def test_what_is_no_throttle_node_costs_nothing(graph: BlockGraph) -> None:
    assert graph.pacing.delay(graph.nodes["null"], SIZE, is_write=True) == 0.0


BURST = {"bps_total": 1000, "bps_total_max": 2000, "bps_total_max_length": 2}


@pytest.mark.parametrize(
    ("limits", "requests", "waits"),
    [
        ({"bps_total": 1000}, [1000, 1000, 500], [0.0, 0.9, 1.9]),
        ({"iops_total": 4}, [512, 512, 512], [0.0, 0.15, 0.4]),
        ({"iops_total": 4, "iops_size": 512}, [2048, 512, 512], [0.0, 0.9, 1.15]),
        ({"bps_read": 1000}, [5000, 5000], [0.0, 0.0]),
        ({**BURST, "bps_total_max_length": 1}, [2000, 1000, 1], [0.0, 0.0, 1.0]),
        (BURST, [200, 1000, 1000], [0.0, 0.0, 0.5]),
        (BURST, [4000, 1, 1], [0.0, 1.9, 1.0 / 1000]),
    ],
)
def test_requests_wait_for_those_before_them(
    graph: BlockGraph,
    limits: dict[str, int],
    requests: list[int],
    waits: list[float],
) -> None:
    limit(graph, **limits)
    slow = graph.nodes["slow"]
    told = [graph.pacing.enter(slow, count, is_write=True) for count in requests]
    assert told == pytest.approx(waits)


def test_time_pays(graph: BlockGraph, clock: VirtualClock) -> None:
    limit(graph, bps_total=1000)
    slow = graph.nodes["slow"]
    assert graph.pacing.enter(slow, 1000, is_write=True) == 0.0
    clock.advance(0.5)
    assert graph.pacing.enter(slow, 1000, is_write=False) == pytest.approx(0.4)
    clock.advance(10)
    assert graph.pacing.enter(slow, 1, is_write=True) == 0.0


def test_other_limits_begin_anew(graph: BlockGraph) -> None:
    limit(graph, bps_total=1000)
    slow = graph.nodes["slow"]
    graph.pacing.enter(slow, 5000, is_write=True)
    limit(graph, bps_total=2000)
    assert graph.pacing.enter(slow, 5000, is_write=True) == 0.0
    assert graph.pacing.enter(slow, 1, is_write=True) == pytest.approx(2.4)


def test_drives_of_a_group_share_its_limits(graph: BlockGraph) -> None:
    null = graph.nodes["null"]
    one = Limits("group", {"bps": 1000}, iops_size=0)
    other = Limits("group", {"bps": 1000})
    enter = graph.pacing.enter
    assert enter(null, 1000, is_write=True, limits=one) == 0.0
    assert enter(null, 1, is_write=False, limits=other) == pytest.approx(0.9)
    alone = Limits("other", {"bps_wr": 10, "iops_rd": 1}, {"bps_wr": 100})
    assert enter(null, 100, is_write=True, limits=alone) == 0.0
    assert enter(null, 10, is_write=True, limits=alone) == 0.0
    assert enter(null, 1, is_write=True, limits=alone) == pytest.approx(1.0)
    assert enter(null, 1000, is_write=True) == 0.0
