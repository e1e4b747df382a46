"""What a CD-ROM drive does with packets, by port I/O."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceLocked
from qmpx.machine import Machine
from qmpx.machine.happenings import Happening, TrayMoved
from tests.machine.block.images import pattern

if TYPE_CHECKING:
    from pathlib import Path

BASE = 0x170
CONTENT = pattern(40 * 2048)


class Disc:
    """A machine with a disc in its drive."""

    def __init__(self, folder: Path) -> None:
        (folder / "cd.iso").write_bytes(CONTENT)
        self.machine = Machine()
        self.told: list[Happening] = []
        self.machine.listen(self.told.append)
        options = {"file": str(folder / "cd.iso"), "media": "cdrom", "index": "2"}
        drive = self.machine.drives.plug(options)
        assert drive is not None
        self.drive = drive

    def send(self, *packet: int) -> bytes | int:
        """Send a packet; return what is read, or the sense key of the refusal."""
        ports = self.machine.ports
        for register, value in ((6, 0xA0), (4, 0xFE), (5, 0xFF), (7, 0xA0)):
            ports.write(BASE + register, 1, value)
        for (word,) in struct.iter_unpack("<H", bytes(packet).ljust(12, b"\0")):
            ports.write(BASE, 2, word)
        data = bytearray()
        while (status := ports.read(BASE + 7)) & 8:
            data += ports.read(BASE, 2).to_bytes(2, "little")
        return ports.read(BASE + 1) >> 4 if status & 1 else bytes(data)


@pytest.fixture
def disc(tmp_path: Path) -> Disc:
    return Disc(tmp_path)


def test_it_is_read(disc: Disc) -> None:
    assert disc.send(0x25) == struct.pack(">II", 39, 2048)
    assert disc.send(0x28, 0, 0, 0, 0, 3, 0, 0, 2) == CONTENT[3 * 2048 : 5 * 2048]
    assert disc.send(0xA8, 0, 0, 0, 0, 39, 0, 0, 0, 1) == CONTENT[39 * 2048 :]
    assert disc.send(0x28, 0, 0, 0, 0, 39, 0, 0, 2) == 5
    assert disc.drive.statistics.rd_bytes == 3 * 2048


def test_it_is_one_track(disc: Disc) -> None:
    contents = disc.send(0x43, 0, 0, 0, 0, 0, 0, 0, 255)
    assert isinstance(contents, bytes)
    assert contents[:4] == b"\0\x12\1\1"
    assert contents[-4:] == (40).to_bytes(4, "big")


def test_it_says_what_it_is(disc: Disc) -> None:
    inquiry = disc.send(0x12, 0, 0, 0, 36)
    assert isinstance(inquiry, bytes)
    assert (inquiry[0], inquiry[8:16]) == (5, b"QEMU    ")
    ports = disc.machine.ports
    ports.write(BASE + 7, 1, 0xA1)
    assert ports.read(BASE, 2) == 0x8580
    ports.write(BASE + 7, 1, 0xEC)
    assert (ports.read(BASE + 4), ports.read(BASE + 5)) == (0x14, 0xEB)


def test_the_guest_locks_the_tray_and_lets_go(disc: Disc) -> None:
    assert disc.send(0x1E, 0, 0, 0, 1) == b""
    with pytest.raises(DeviceLocked):
        disc.drive.eject_2010()
    assert disc.send(0x1B, 0, 0, 0, 2) == 2  # nor does the guest's own wish count
    disc.send(0x1E)
    disc.drive.eject_2010()
    assert disc.send(0x00) == 2
    sense = disc.send(0x03, 0, 0, 0, 18)
    assert isinstance(sense, bytes)
    assert sense[2] == 2


def test_the_guest_moves_the_tray(disc: Disc) -> None:
    assert disc.send(0x1B, 0, 0, 0, 2) == b""
    assert disc.send(0x25) == 2
    assert disc.send(0x1B, 0, 0, 0, 3) == b""
    assert disc.send(0x00) == b""
    assert [each.is_open for each in disc.told if isinstance(each, TrayMoved)] == [
        True,
        False,
    ]


def test_what_it_does_not_know(disc: Disc) -> None:
    assert disc.send(0x04) == 5
    assert disc.send(0x1B, 0, 0, 0, 1) == b""
