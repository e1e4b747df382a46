"""Jobs that move data: what is where afterwards, on real images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.bitmaps import Bitmap
from qmpx.machine.block.copying import BackupJob, CommitJob, MirrorJob, StreamJob
from qmpx.machine.block.node_drivers import FormatNode
from qmpx.machine.block.qcow2_header import new_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.machine.block.nodes import Node

KIB, MIB = 1 << 10, 1 << 20
SIZE = 4 * MIB


class Shop:
    """A machine with a chain of three images, an empty one, and virtual time.

    Below is a raw image of ones, in front of it one with twos at 1 MiB, in front of
    that one with threes at 2 MiB.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.graph = self.machine.blocks
        (folder / "base").write_bytes(b"\1" * SIZE)
        self.image("mid", "base", "raw")
        self.image("top", "mid", "qcow2")
        (folder / "copy").write_bytes(bytes(SIZE))
        self.base = self.add("base", "raw")
        self.mid = self.add("mid", "qcow2", backing="base")
        self.mid.write(MIB, b"\2" * (64 * KIB))
        self.top = self.add("top", "qcow2", backing="mid")
        self.top.write(2 * MIB, b"\3" * (64 * KIB))
        self.copy = self.add("copy", "raw")

    def image(self, name: str, behind: str, format_: str) -> None:
        """Make an image file in front of another."""
        content = new_image(
            SIZE, backing_file=behind, backing_format=format_, version=3
        )
        (self.folder / name).write_bytes(content)

    def add(self, name: str, driver: str, **more: Any) -> Node:
        """Make a node for an image file."""
        file = {"driver": "file", "filename": str(self.folder / name)}
        options = {"driver": driver, "node-name": name, "file": file, **more}
        return self.graph.add(options)

    def run(self, job: Any) -> None:
        """Run a job until nothing happens any more."""
        self.graph.jobs.begin(job)
        self.clock.advance(0)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Open a shop, and close it."""
    opened = Shop(tmp_path)
    yield opened
    opened.machine.close()


def places(node: Node) -> bytes:
    """Return one byte of each of the places that differ."""
    return b"".join(node.read(at, 1) for at in (0, MIB, 2 * MIB))


@pytest.mark.parametrize(
    ("base", "behind", "header", "own"),
    [(None, None, None, 3), ("base", "base", "base", 2)],
)
def test_a_stream_takes_what_is_behind(
    shop: Shop, base: str | None, behind: str | None, header: str | None, own: int
) -> None:
    node = None if base is None else shop.graph.nodes[base]
    shop.run(StreamJob(shop.graph, "s", shop.top, node))
    assert places(shop.top) == b"\1\2\3"
    assert (shop.top.backing and shop.top.backing.name) == behind
    assert isinstance(shop.top, FormatNode)
    said = shop.top.image.backing_file
    assert said == (header and str(shop.folder / header))
    kinds = [shop.top.status(at)[0] for at in (0, MIB, 2 * MIB)]
    assert kinds.count("data") == own


def test_a_commit_writes_into_the_base(shop: Shop) -> None:
    shop.base.read_only = True  # as images behind others are
    shop.run(CommitJob(shop.graph, "c", shop.mid, shop.base, shop.top))
    assert places(shop.base) == b"\1\2\1"
    assert places(shop.top) == b"\1\2\3"
    assert shop.top.backing is shop.base
    assert isinstance(shop.top, FormatNode)
    assert shop.top.image.backing_file == str(shop.folder / "base")
    assert shop.base.read_only


def test_an_active_commit_pivots_to_the_base(shop: Shop) -> None:
    drive = shop.graph.plug("top", "disk")
    job = MirrorJob(shop.graph, "c", shop.top, shop.base, is_commit=True)
    shop.run(job)
    assert job.status == "ready"
    drive.write(6 * MIB // 512 // 2, b"\4" * 512)  # followed, as it is ready
    job.complete()
    shop.clock.advance(0)
    assert places(shop.base) == b"\1\2\3"
    assert shop.base.read(3 * MIB, 1) == b"\4"
    assert drive.medium is not None
    assert drive.medium.node_name == "base"
    drive.write(0, b"\5" * 512)
    assert shop.base.read(0, 1) == b"\5"


@pytest.mark.parametrize(
    ("sync", "copied"), [("full", b"\1\2\3"), ("top", b"\0\0\3"), ("none", b"\0\0\0")]
)
def test_a_mirror_copies_and_follows(shop: Shop, sync: Any, copied: bytes) -> None:
    job = MirrorJob(shop.graph, "m", shop.top, shop.copy, sync=sync)
    shop.run(job)
    assert places(shop.copy) == copied
    shop.top.write(3 * MIB, b"\6" * KIB)
    assert shop.copy.read(3 * MIB, 2) == b"\6\6"
    assert job.total == job.offset


def test_a_mirror_refuses_a_target_of_another_size(shop: Shop) -> None:
    shop.graph.add({"driver": "null-co", "node-name": "small", "size": MIB})
    job = MirrorJob(shop.graph, "m", shop.top, shop.graph.nodes["small"])
    shop.run(job)
    assert job.error == "Source and target image have different sizes"
    assert shop.graph.jobs == {}


def test_a_backup_is_of_the_moment_when_it_began(shop: Shop) -> None:
    job = BackupJob(shop.graph, "b", shop.top, shop.copy, speed=1)
    shop.graph.jobs.begin(job)
    shop.top.write(2 * MIB, b"\7" * KIB)
    shop.top.write(0, b"\7" * KIB)
    job.set_speed(0)
    shop.clock.advance(0)
    assert places(shop.copy) == b"\1\2\3"
    assert places(shop.top) == b"\7\2\7"
    assert job.offset == job.total == SIZE


def test_a_backup_of_nothing_keeps_what_is_overwritten(shop: Shop) -> None:
    job = BackupJob(shop.graph, "b", shop.top, shop.copy, sync="none")
    shop.run(job)
    assert (job.status, job.offset) == ("running", 0)
    shop.top.write(2 * MIB, b"\7" * KIB)
    assert places(shop.copy) == b"\0\0\3"
    job.cancel(force=True)
    assert job.error == "Operation canceled"
    shop.top.write(0, b"\7")
    assert places(shop.copy) == b"\0\0\3"


@pytest.mark.parametrize("fails", [False, True])
def test_an_incremental_backup_copies_what_is_dirty(shop: Shop, fails: bool) -> None:
    bitmap = shop.top.bitmaps["x"] = Bitmap("x", 64 * KIB, SIZE)
    shop.top.write(MIB, b"\2" * KIB)
    job = BackupJob(
        shop.graph, "b", shop.top, shop.copy, sync="incremental", bitmap=bitmap
    )
    shop.graph.jobs.begin(job)
    assert (bitmap.is_busy, bitmap.count) == (True, 0)
    if fails:
        job.cancel(force=True)
    shop.clock.advance(0)
    assert job.total == 64 * KIB
    assert places(shop.copy) == (b"\0\0\0" if fails else b"\0\2\0")
    assert (bitmap.is_busy, bitmap.count) == (False, 64 * KIB if fails else 0)
