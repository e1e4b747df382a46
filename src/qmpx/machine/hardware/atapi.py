"""What a CD-ROM drive does with the packets of a guest.

The guest can lock the medium, read it, and open and close the tray. There is no sound,
and a medium is one track of data.

Source: the MMC-3 and SPC-2 standards.
"""

import struct
from typing import Final

from qmpx.machine.drive import SECTOR, Drive

PACKET_SIZE: Final[int] = 12

SECTOR_SIZE: Final[int] = 2048
"""Bytes of a sector of a CD with data."""

MAX_SECTORS: Final = 32
"""Sectors of one request, 64 KiB; a guest that needs more asks again."""

_NOT_READY, _ILLEGAL, _MEDIUM_ERROR = 2, 5, 3


class Refused(Exception):
    """A packet was not obeyed.

    Args:
        sense: The sense key that says why.
    """

    def __init__(self, sense: int) -> None:
        super().__init__(f"sense key {sense}")
        self.sense = sense


def obey(drive: Drive, packet: bytes) -> bytes:
    """Do what a packet says, and return what the guest then reads.

    Raises:
        Refused: It cannot be done.
    """
    match packet[0]:
        case 0x00:  # test unit ready
            _ready(drive)
            return b""
        case 0x03:  # request sense
            sense = _NOT_READY if drive.medium is None or drive.is_tray_open else 0
            return bytes((0x70, 0, sense, 0, 0, 0, 0, 10)).ljust(18, b"\0")[: packet[4]]
        case 0x12:  # inquiry
            head = bytes((5, 0x80, 0, 0x21, 31, 0, 0, 0))
            text = b"QEMU    QEMU DVD-ROM    0.13"
            return (head + text)[: packet[4]]
        case 0x1B:  # start or stop, and load or eject
            if packet[4] & 2:
                _move_tray(drive, is_open=not packet[4] & 1)
            return b""
        case 0x1E:  # prevent or allow removal
            drive.is_locked = bool(packet[4] & 1)
            return b""
        case 0x25:  # read capacity
            last = _ready(drive) // SECTOR_SIZE - 1
            return struct.pack(">II", max(0, last), SECTOR_SIZE)
        case 0x28:  # read, 10 bytes
            return _read(drive, *struct.unpack_from(">IxH", packet, 2))
        case 0xA8:  # read, 12 bytes
            return _read(drive, *struct.unpack_from(">II", packet, 2))
        case 0x43:  # read the table of contents
            return _contents(drive)[: struct.unpack_from(">H", packet, 7)[0]]
    raise Refused(_ILLEGAL)


def _ready(drive: Drive) -> int:
    """Return the size of the medium in bytes."""
    if drive.medium is None or drive.is_tray_open:
        raise Refused(_NOT_READY)
    return drive.medium.size


def _move_tray(drive: Drive, *, is_open: bool) -> None:
    if is_open:
        if drive.is_locked and not drive.is_tray_open:
            raise Refused(_NOT_READY)
        drive.open_tray()
    else:
        drive.close_tray()


def _read(drive: Drive, address: int, count: int) -> bytes:
    size = _ready(drive)
    if (address + count) * SECTOR_SIZE > size:
        raise Refused(_ILLEGAL)
    count = min(count, MAX_SECTORS)
    per_sector = SECTOR_SIZE // SECTOR
    try:
        return drive.read(address * per_sector, count * per_sector)
    except OSError:
        raise Refused(_MEDIUM_ERROR) from None


def _contents(drive: Drive) -> bytes:
    last = _ready(drive) // SECTOR_SIZE
    tracks = b"\0\x14\1\0" + bytes(4) + b"\0\x16\xaa\0" + struct.pack(">I", last)
    return struct.pack(">HBB", len(tracks) + 2, 1, 1) + tracks
