"""What drives say of themselves when asked to IDENTIFY: 256 words.

Source: the ATA-6 standard.
"""

import struct
from typing import Final

from qmpx.machine.drive import Drive

HEADS: Final[int] = 16
TRACK: Final[int] = 63
"""The geometry that every disk claims; cylinders are what its size gives."""

_MAX_CYLINDERS: Final = 16383


def _text(text: str, size: int) -> bytes:
    """Return text as drives have it: the bytes of each word swapped."""
    data = text.encode("ascii", "replace")[:size].ljust(size)
    return b"".join(
        data[at + 1 : at + 2] + data[at : at + 1] for at in range(0, size, 2)
    )


def _packed(words: dict[int, int], texts: dict[int, bytes]) -> bytes:
    data = bytearray(512)
    for at, word in words.items():
        struct.pack_into("<H", data, 2 * at, word & 0xFFFF)
    for at, text in texts.items():
        data[2 * at : 2 * at + len(text)] = text
    return bytes(data)


def disk(drive: Drive, multiple: int) -> bytes:
    """Return what a disk says.

    Args:
        drive: The disk.
        multiple: Sectors that one interrupt announces.
    """
    sectors = drive.sectors
    cylinders = min(_MAX_CYLINDERS, sectors // (HEADS * TRACK))
    small = min(sectors, (1 << 28) - 1)
    chs = cylinders * HEADS * TRACK
    words = {
        0: 0x0040,
        1: cylinders,
        3: HEADS,
        6: TRACK,
        20: 3,
        21: 512,
        22: 4,
        47: 0x8010,
        48: 1,
        49: 0x0B00,
        51: 0x0200,
        53: 1,
        54: cylinders,
        55: HEADS,
        56: TRACK,
        57: chs,
        58: chs >> 16,
        59: 0x100 | multiple,
        60: small,
        61: small >> 16,
        80: 0xF0,
        81: 0x16,
        82: 0x4000,
        83: 0x7400,
        84: 0x4000,
        85: 0x4000,
        86: 0x3400,
        87: 0x4000,
        93: 0x6001,
        **{100 + place: sectors >> 16 * place for place in range(4)},
    }
    serial = drive.serial or f"QM{drive.bus * 2 + drive.unit + 1:05}"
    texts = {
        10: _text(serial, 20),
        23: _text("0.13.0", 8),
        27: _text("QEMU HARDDISK", 40),
    }
    return _packed(words, texts)


def cdrom(drive: Drive) -> bytes:
    """Return what a CD-ROM drive says."""
    words = {0: 0x8580, 20: 3, 21: 512, 22: 4, 48: 1, 49: 0x0200, 53: 3, 80: 0x1E}
    serial = drive.serial or f"QM{drive.bus * 2 + drive.unit + 1:05}"
    texts = {
        10: _text(serial, 20),
        23: _text("0.13.0", 8),
        27: _text("QEMU DVD-ROM", 40),
    }
    return _packed(words, texts)
