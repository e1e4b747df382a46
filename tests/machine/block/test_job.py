"""The life of a job: its order of events, its speed, its errors."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block import job_verbs
from qmpx.machine.block.mirroring import MirrorJob
from qmpx.machine.block.streaming import StreamJob
from qmpx.machine.happenings import (
    BlockJobFailed,
    BlockJobTold,
    JobMoved,
)
from tests.machine.block.conftest import MIB, Shop


def test_a_job_lives_from_created_to_null(shop: Shop) -> None:
    job = shop.mirror()
    assert shop.states() == ["created", "running"]
    shop.clock.advance(0)
    assert shop.told == [
        JobMoved("m", "ready"),
        BlockJobTold("ready", "m", "mirror", 4 * MIB, 4 * MIB, 0),
    ]
    shop.told.clear()
    job_verbs.complete(job)
    assert shop.told == []
    shop.clock.advance(0)
    assert shop.told == [
        JobMoved("m", "waiting"),
        JobMoved("m", "pending"),
        BlockJobTold("completed", "m", "mirror", 4 * MIB, 4 * MIB, 0),
        JobMoved("m", "concluded"),
        JobMoved("m", "null"),
    ]
    assert shop.graph.jobs == {}


def test_speed_is_kept_by_the_clock(shop: Shop) -> None:
    for name in ("wide", "wider"):
        shop.null(name, 25 * MIB)
    nodes = shop.graph.nodes
    job = MirrorJob(shop.graph, "m", nodes["wide"], nodes["wider"], speed=MIB)
    shop.graph.jobs.begin(job)
    seen = []
    for _ in range(5):
        shop.clock.advance(5)
        seen.append((job.offset // MIB, job.status.value))
    assert seen == [
        (10, "running"),
        (20, "running"),
        (20, "running"),
        (25, "running"),
        (25, "ready"),
    ]


def test_a_ready_job_that_is_cancelled_ends_well_and_keeps_the_graph(
    shop: Shop,
) -> None:
    drive = shop.graph.drives.plug("source", "disk")
    job = shop.mirror()
    shop.clock.advance(0)
    job.cancel(force=False)
    shop.clock.advance(0)
    assert drive.medium is not None
    assert drive.medium.node_name == "source"
    assert shop.told[-3] == BlockJobTold(
        "completed", "m", "mirror", 4 * MIB, 4 * MIB, 0
    )


def test_a_forced_end_is_an_error(shop: Shop) -> None:
    job = shop.mirror(auto_dismiss=False)
    shop.clock.advance(0)
    job.cancel(force=True)
    shop.clock.advance(0)
    assert (job.status, job.error) == ("concluded", "Operation canceled")
    assert shop.told[-2] == BlockJobTold(
        "cancelled", "m", "mirror", 4 * MIB, 4 * MIB, 0
    )


def test_nodes_of_a_job_stay_where_they_are(shop: Shop) -> None:
    shop.mirror()
    with pytest.raises(GenericError, match="in use by block job: mirror"):
        shop.graph.delete("source")
    with pytest.raises(GenericError, match="Node target is in use"):
        shop.graph.delete("target")
    with pytest.raises(GenericError, match="in use by block job: mirror"):
        StreamJob(shop.graph, "s", shop.graph.nodes["source"], None)


def faulty(shop: Shop, kind: str) -> None:
    """Let the node *kind* be one that fails once."""
    rule = {"event": "none", "once": True, "errno": 28, "iotype": None}
    name = {"read": "source", "write": "target"}[kind]
    shop.graph.delete(name)
    shop.graph.add(
        {
            "driver": "blkdebug",
            "node-name": name,
            "image": {"driver": "null-co", "size": 4 * MIB},
            "inject-error": [rule],
        }
    )


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize(
    ("policy", "action", "ends"),
    [
        ("report", "report", "null"),
        ("ignore", "ignore", "ready"),
        ("stop", "stop", "paused"),
        ("enospc", "stop", "paused"),
        ("auto", "report", "null"),
    ],
)
def test_errors_are_met_as_the_user_wants(
    shop: Shop, kind: str, policy: str, action: str, ends: str
) -> None:
    faulty(shop, kind)
    nodes = shop.graph.nodes
    job = MirrorJob(shop.graph, "m", nodes["source"], nodes["target"])
    job.on_source_error = policy if kind == "read" else "report"
    job.on_target_error = policy if kind == "write" else "report"
    shop.graph.jobs.begin(job)
    shop.clock.advance(0)
    assert BlockJobFailed("m", kind, action) in shop.told
    assert job.status == ends
    if ends == "null":
        assert job.error == "No space left on device"
        completed = BlockJobTold(
            "completed", "m", "mirror", 4 * MIB, 0, 0, "No space left on device"
        )
        assert completed in shop.told
    if ends == "paused":
        assert job.io_status == "nospace"
        job_verbs.resume(job)
        shop.clock.advance(0)
        assert (job.status, job.offset) == ("ready", 4 * MIB)
