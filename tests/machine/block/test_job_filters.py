"""The nodes that jobs put in front of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block.backups import BackupJob
from qmpx.machine.block.mirroring import MirrorJob

if TYPE_CHECKING:
    from qmpx.machine.block.job import Job
    from tests.machine.block.conftest import Shop


def waiting(shop: Shop, name: str | None = None) -> Job:
    """Begin a backup that waits for somebody to write."""
    nodes = shop.graph.nodes
    job = BackupJob(shop.graph, "b", nodes["source"], nodes["target"], sync="none")
    job.filter_name = name
    shop.graph.jobs.begin(job)
    shop.clock.advance(0)
    return job


def test_it_is_a_node_that_drives_move_to_and_come_back_from(shop: Shop) -> None:
    drive = shop.graph.drives.plug("source", "disk")
    job = waiting(shop, "front")
    front = shop.graph.nodes["front"]
    assert [node.name for node in shop.graph.chain(front)] == ["front", "source"]
    assert shop.graph.drives.node_in(drive) is front
    drive.write(0, b"\1" * 512)
    assert job.offset == 65536
    job.cancel(force=True)
    assert shop.graph.drives.node_in(drive) is shop.graph.nodes["source"]
    assert list(shop.graph.nodes) == ["source", "target"]


def test_it_is_in_use_as_long_as_its_job_is(shop: Shop) -> None:
    waiting(shop, "front")
    with pytest.raises(GenericError, match=r"'front' is busy: .* block job: backup"):
        shop.graph.delete("front")
    with pytest.raises(GenericError, match="Block device source is in use"):
        shop.graph.delete("source")
    with pytest.raises(GenericError, match="Duplicate nodes with node-name='front'"):
        shop.null("front", 512)


def test_only_that_of_a_backup_is_seen_though_nobody_named_it(shop: Shop) -> None:
    backup = waiting(shop)
    assert backup.filter is not None
    assert not backup.filter.is_implicit
    backup.cancel(force=True)
    mirror = shop.mirror()
    assert mirror.filter is not None
    assert mirror.filter.is_implicit
    assert mirror.filter.filename == shop.graph.nodes["source"].filename


def test_what_a_job_needs_of_its_nodes_is_known_to_others(shop: Shop) -> None:
    shop.mirror()
    with pytest.raises(GenericError, match="required by an unnamed block device"):
        shop.graph.drives.plug("target", "disk")


def test_jobs_of_what_stands_on_a_node_are_found(shop: Shop) -> None:
    job = waiting(shop, "front")
    source, target = shop.graph.nodes["source"], shop.graph.nodes["target"]
    for node in (source, target, shop.graph.nodes["front"]):
        assert shop.graph.jobs.above(node) == [job]
    shop.null("other", 512)
    assert shop.graph.jobs.above(shop.graph.nodes["other"]) == []


def test_a_mirror_that_ends_leaves_its_target_where_its_node_was(shop: Shop) -> None:
    nodes = shop.graph.nodes
    shop.graph.add({"driver": "raw", "node-name": "top", "file": "source"})
    job = MirrorJob(shop.graph, "m", nodes["source"], nodes["target"])
    shop.graph.jobs.begin(job)
    shop.clock.advance(0)
    job.should_complete = True
    job.hasten()
    shop.clock.advance(0)
    assert nodes["top"].file is nodes["target"]
    assert sorted(nodes) == ["source", "target", "top"]
