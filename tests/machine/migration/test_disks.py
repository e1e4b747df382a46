"""The contents of disks on their way, and disks that both ends share."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.block.opening import open_image
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.migration.disks import BLOCK, ImageDisk, disks_of, load_disk
from qmpx.machine.migration.links import pair
from qmpx.machine.migration.values import StreamError
from tests.machine.migration.worlds import MIB, Side, side

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 5 * BLOCK + 512  # the last block is not whole
CHANCE = random.Random(7).randbytes(4096)


class TwoDisks:
    """Two machines on one virtual clock, each with a disk of its own."""

    def __init__(self, folder: Path, *, format_: str = "raw", size: int = SIZE) -> None:
        self.clock = VirtualClock()
        self.sides: list[Side] = []
        for name, bytes_ in (("source", SIZE), ("destination", size)):
            path = folder / f"{name}.{format_}"
            if format_ == "raw":
                with path.open("wb") as file:
                    file.truncate(bytes_)
            else:
                path.write_bytes(new_image(bytes_))
            made = side(started=name == "source", clock=self.clock)
            made.machine.drives.plug({"file": str(path), "index": "0"})
            self.sides.append(made)
        self.source, self.destination = (each.machine for each in self.sides)

    def start(self, *, incremental: bool = False) -> None:
        here, there = pair(self.clock)
        self.destination.migration.receive_from(there)
        self.source.migration.start_over(here, block=True, incremental=incremental)

    def contents(self) -> list[bytes]:
        return [
            machine.drives["ide0-hd0"].read(0, SIZE // 512)
            for machine in (self.source, self.destination)
        ]


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_the_contents_of_disks_come_along(tmp_path: Path, format_: str) -> None:
    disks = TwoDisks(tmp_path, format_=format_)
    drive = disks.source.drives["ide0-hd0"]
    for sector in (0, 100, 2048, SIZE // 512 - 8):
        drive.write(sector, CHANCE)
    disks.destination.drives["ide0-hd0"].write(4000, b"old!" * 128)
    disks.start()
    disks.clock.advance(10)
    assert disks.source.migration.status == "completed"
    ours, theirs = disks.contents()
    assert ours == theirs


def test_what_is_written_meanwhile_comes_too(tmp_path: Path) -> None:
    disks = TwoDisks(tmp_path)
    migration, drive = disks.source.migration, disks.source.drives["ide0-hd0"]
    migration.limits.set_speed(BLOCK)
    migration.limits.set_downtime(0.001)
    disks.start()
    for step in range(40):
        drive.write(step * 250, CHANCE[: 512 * (step % 4 + 1)])
        disks.clock.advance(0.1)
    disks.clock.advance(120)
    assert migration.status == "completed"
    ours, theirs = disks.contents()
    assert ours == theirs
    assert ours.count(0) < SIZE


def test_progress_counts_disks_apart(tmp_path: Path) -> None:
    disks = TwoDisks(tmp_path)
    migration = disks.source.migration
    migration.limits.set_speed(BLOCK)
    disks.start()
    disks.clock.advance(0)
    progress = migration.disk_progress
    assert progress is not None
    assert (progress.transferred, progress.remaining, progress.total) == (
        BLOCK,
        SIZE - BLOCK + (BLOCK - 512),
        SIZE,
    )
    migration.cancel()
    assert migration.disk_progress is None
    image = disks.source.drives["ide0-hd0"].image
    assert image is not None
    assert image.on_write is None


def test_an_incremental_one_leaves_out_what_is_behind_the_images(
    tmp_path: Path,
) -> None:
    base = tmp_path / "base.img"
    base.write_bytes(b"b" * SIZE)
    disks = TwoDisks(tmp_path, format_="qcow2")
    for each in disks.sides:
        drive = each.machine.drives["ide0-hd0"]
        path = drive.image.filename if drive.image else ""
        overlay = new_image(SIZE, backing_file=str(base))
        with open(path, "wb") as file:
            file.write(overlay)
        drive.open_file(path)
    disks.source.drives["ide0-hd0"].write(2048 * 2, CHANCE)
    disks.start(incremental=True)
    disks.clock.advance(10)
    assert disks.source.migration.status == "completed"
    ours, theirs = disks.contents()
    assert ours == theirs
    image = disks.destination.drives["ide0-hd0"].image
    assert image is not None
    own = [image.allocated(block * BLOCK)[0] for block in range(5)]
    assert own == [False, False, True, False, False]


def test_a_disk_of_another_size_is_refused(tmp_path: Path) -> None:
    disks = TwoDisks(tmp_path, size=SIZE + 512)
    disks.start()
    disks.clock.advance(1)
    assert disks.sides[1].refusal == (
        f"disk 'ide0-hd0' comes with {SIZE} bytes, has {SIZE + 512}"
    )
    assert disks.sides[0].is_running


def test_a_disk_that_there_is_not_is_refused() -> None:
    clock = VirtualClock()
    source, destination = side(started=True, clock=clock), side(clock=clock)
    here, there = pair(clock)
    source.machine.migration.baggage.disk_sizes = lambda: {"hd": 5}  # type: ignore[method-assign]
    destination.machine.migration.receive_from(there)
    source.machine.migration.start_over(here, block=True)
    clock.advance(1)
    assert destination.refusal == "this machine has no disk 'hd' that can be written"
    assert source.is_running


def test_shared_images_are_opened_again_at_the_destination(tmp_path: Path) -> None:
    path = tmp_path / "shared.qcow2"
    path.write_bytes(new_image(SIZE))
    clock = VirtualClock()
    source, destination = side(started=True, clock=clock), side(clock=clock)
    for each in (source, destination):
        each.machine.drives.plug({"file": str(path), "index": "0"})
    drives = [each.machine.drives["ide0-hd0"] for each in (source, destination)]
    drives[0].write(0, CHANCE)  # it allocates clusters that the other cannot know of
    here, there = pair(clock)
    destination.machine.migration.receive_from(there)
    source.machine.migration.start_over(here)
    clock.advance(1)
    assert destination.is_running
    assert drives[1].read(0, 8) == CHANCE
    drives[1].write(8, CHANCE)
    image = open_image(str(path))
    assert image.read(0, 8192) == CHANCE * 2
    image.close()


def test_only_fixed_disks_that_can_be_written_go(tmp_path: Path) -> None:
    machine = Machine()
    for name, options in (
        ("hd.img", {"index": "0"}),
        ("ro.img", {"if": "none", "id": "ro", "readonly": "on"}),
        ("cd.iso", {"media": "cdrom", "index": "2"}),
        ("fd.img", {"if": "floppy", "index": "0"}),
    ):
        (tmp_path / name).write_bytes(bytes(1440 << 10))
        machine.drives.plug({"file": str(tmp_path / name), **options})
    assert list(disks_of(machine)) == ["ide0-hd0"]


def record(name: bytes, offset: int, size: int, kind: int, data: bytes) -> bytes:
    head = struct.pack(">QIB", offset, size, kind)
    return bytes([len(name)]) + name + head + data


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "a record is of no disk here: "),
        (b"\x05hd", "a record is of no disk here: "),
        (record(b"cd", 0, 1, 1, b"x"), "a record is of no disk here: 'cd'"),
        (record(b"\xff", 0, 1, 1, b"x"), "a record is of no disk here: 'utf-8' codec"),
        (record(b"hd", MIB, 1, 1, b"x"), "bytes 1048576 to 1048577 of disk 'hd' do"),
        (record(b"hd", 0, 2, 1, b"x"), "bytes 0 to 2 of disk 'hd' do not fit"),
        (record(b"hd", 0, 2**32 - 1, 0, b""), "bytes 0 to 4294967295 of disk 'hd' do"),
        (record(b"hd", 0, 1, 7, b"x"), "there are no blocks of kind 7"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    tmp_path: Path, payload: bytes, message: str
) -> None:
    (tmp_path / "hd.img").write_bytes(bytes(MIB))
    image = open_image(str(tmp_path / "hd.img"))
    with pytest.raises(StreamError) as caught:
        load_disk({"hd": ImageDisk(image)}, payload)
    assert str(caught.value).startswith(message)
    image.close()


def test_a_disk_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "hd.img").write_bytes(bytes(MIB))
    image = open_image(str(tmp_path / "hd.img"), read_only=True)
    with pytest.raises(StreamError) as caught:
        load_disk({"hd": ImageDisk(image)}, record(b"hd", 0, 1, 1, b"x"))
    assert str(caught.value) == "disk 'hd' cannot be written: read-only"
    image.close()
