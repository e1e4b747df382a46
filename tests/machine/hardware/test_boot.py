"""What the firmware does with disks when the machine starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine, VirtualClock
from qmpx.machine.happenings import BlockIOError, Happening
from qmpx.machine.hardware.boot import DELAY
from tests.machine.block.images import pattern

if TYPE_CHECKING:
    from pathlib import Path

RULES = '[inject-error]\nevent = "read_aio"\nerrno = "5"\n'


class Start:
    """A machine with a disk, and what it told of errors."""

    def __init__(self, folder: Path, **options: str) -> None:
        (folder / "hd.img").write_bytes(pattern(1 << 20))
        (folder / "bd.cfg").write_text(RULES)
        self.clock = VirtualClock()
        self.machine = Machine(clock=self.clock)
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)
        file = options.pop("file", f"blkdebug:{folder}/bd.cfg:{folder}/hd.img")
        drive = self.machine.drives.plug({"file": file, **options})
        assert drive is not None
        self.drive = drive

    @property
    def errors(self) -> int:
        return sum(isinstance(each, BlockIOError) for each in self.told)


def test_the_first_sector_is_read_once_and_after_every_reset(tmp_path: Path) -> None:
    start = Start(tmp_path, file=str(tmp_path / "hd.img"))
    start.clock.advance(10)
    assert start.drive.statistics.rd_operations == 0  # it does not run
    start.machine.cont()
    start.clock.advance(DELAY / 2)
    start.machine.stop()
    start.clock.advance(10)
    assert start.drive.statistics.rd_operations == 0
    start.machine.cont()
    start.clock.advance(10)
    assert start.drive.statistics.rd_bytes == 512
    start.machine.reset(reason="host-qmp-system-reset")
    start.clock.advance(10)
    assert start.drive.statistics.rd_bytes == 1024
    assert start.machine.ports.read(0x1F7) == 0x50


def test_a_disk_that_cannot_be_read_shows(tmp_path: Path) -> None:
    start = Start(tmp_path)
    start.machine.cont()
    start.clock.advance(10)
    assert start.errors == 1
    assert start.machine.state.is_running


def test_it_stops_the_machine_if_the_drive_wants_that(tmp_path: Path) -> None:
    start = Start(tmp_path, rerror="stop")
    start.machine.cont()
    start.clock.advance(10)
    assert (start.errors, start.machine.state.value) == (1, "io-error")
    start.machine.cont()
    start.clock.advance(10)
    assert (start.errors, start.machine.state.value) == (2, "io-error")


def test_a_virtio_disk_is_read_too(tmp_path: Path) -> None:
    start = Start(tmp_path, **{"if": "virtio", "rerror": "stop"})
    start.machine.cont()
    start.clock.advance(10)
    assert (start.errors, start.machine.state.value) == (1, "io-error")
    start.machine.cont()
    start.clock.advance(10)
    assert start.errors == 2


def test_so_is_a_disk_of_a_virtio_device(tmp_path: Path) -> None:
    start = Start(tmp_path, **{"if": "none", "id": "d"})
    start.machine.devices.add({"driver": "virtio-blk-pci", "drive": "d"})
    start.machine.cont()
    start.clock.advance(10)
    assert start.errors == 1
    assert start.machine.state.is_running


@pytest.mark.parametrize("options", [{"media": "cdrom"}, {"if": "none", "id": "d"}])
def test_other_drives_are_not_looked_at(
    tmp_path: Path, options: dict[str, str]
) -> None:
    start = Start(tmp_path, **options)
    start.machine.cont()
    start.clock.advance(10)
    assert start.errors == 0


def test_a_machine_that_comes_from_elsewhere_is_past_this(tmp_path: Path) -> None:
    start = Start(tmp_path)
    start.machine.chipset.restore(start.machine.chipset.state())
    start.machine.cont()
    start.clock.advance(10)
    assert start.errors == 0


def test_a_guest_that_uses_the_channel_is_not_disturbed(tmp_path: Path) -> None:
    start = Start(tmp_path, file=str(tmp_path / "hd.img"))
    start.machine.cont()
    for register, value in ((6, 0xE0), (2, 1), (3, 5), (4, 0), (5, 0), (7, 0x20)):
        start.machine.ports.write(0x1F0 + register, 1, value)
    start.clock.advance(10)
    first = start.machine.ports.read(0x1F0, 2)
    assert first == int.from_bytes(pattern(1 << 20)[2560:2562], "little")
