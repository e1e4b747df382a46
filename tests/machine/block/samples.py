"""Small images of the formats that are only read, made by hand from their descriptions.

Each has guest data whose first half is a pattern and whose second half is zeros, or
what the image behind it has.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from tests.machine.block.images import KIB, pattern

if TYPE_CHECKING:
    from collections.abc import Callable

HALF: Final = 64 * KIB
DATA: Final = pattern(HALF, 3)
SIZE: Final = 2 * HALF


def qcow(backing: bytes = b"") -> bytes:
    head = struct.pack(
        *(">4sIQIIQBBHIQ", b"QFI\xfb", 1, 100 if backing else 0, len(backing), 0),
        *(SIZE, 12, 9, 0, 0, 512),
    )
    l1 = struct.pack(">Q", 4096)
    entries = [8192 + at for at in range(0, HALF, 4096)]
    l2 = struct.pack(f">{len(entries)}Q", *entries)
    head = head.ljust(100, b"\0") + backing
    return (
        (head.ljust(512, b"\0") + l1).ljust(4096, b"\0") + l2.ljust(4096, b"\0") + DATA
    )


def qcow_compressed() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = packer.compress(b"text" * 1024) + packer.flush()
    head = struct.pack(">4sIQIIQBBHIQ", b"QFI\xfb", 1, 0, 0, 0, 8192, 12, 9, 0, 0, 512)
    entry = 1 << 63 | len(packed) << 63 - 12 | 8192
    l1, l2 = struct.pack(">Q", 4096), struct.pack(">Q", entry)
    return (
        (head.ljust(512, b"\0") + l1).ljust(4096, b"\0")
        + l2.ljust(4096, b"\0")
        + packed
    )


def vdi() -> bytes:
    block = 16 * KIB
    head = b"<<< image >>>\n".ljust(64, b"\0")
    head += struct.pack("<5I", 0xBEDA107F, 0x00010001, 0x180, 1, 0)
    head = head.ljust(340, b"\0") + struct.pack("<2I", 512, 1024)
    head = head.ljust(360, b"\0")
    head += struct.pack("<IIQ5I", 512, 0, SIZE, block, 0, SIZE // block, 4, 0)
    order = [3, 2, 1, 0, *[0xFFFFFFFF] * 3, 0xFFFFFFFE]
    blocks = [DATA[at : at + block] for at in range(0, HALF, block)]
    table = struct.pack("<8I", *order)
    return head.ljust(512, b"\0") + table.ljust(512, b"\0") + b"".join(blocks[::-1])


def vpc(maker: bytes = b"win ") -> bytes:
    block = 32 * KIB
    footer = struct.pack(
        *(">8sIIQI4sIIQQHBBI", b"conectix", 2, 0x10000, 512, 0, maker, 0, 0),
        *(SIZE, SIZE, 2, 4, 17, 3),
    ).ljust(512, b"\0")
    head = struct.pack(">8sQQIII", b"cxsparse", 2**64 - 1, 1536, 0x10000, 4, block)
    table = struct.pack(">4I", 4, 4 + 65, 0xFFFFFFFF, 0xFFFFFFFF).ljust(512, b"\0")
    bitmap = b"\xff" * 512
    blocks = bitmap + DATA[:block] + bitmap + DATA[block:]
    return footer + head.ljust(1024, b"\0") + table + blocks + footer


def qed(backing: bytes = b"") -> bytes:
    cluster = 4096
    head = struct.pack(
        *("<4sIIIQQQQQII", b"QED\0", cluster, 1, 1, 5 if backing else 0, 0, 0),
        *(cluster, SIZE, 80 if backing else 0, len(backing)),
    )
    head = head.ljust(80, b"\0") + backing
    count = HALF // cluster
    l2 = struct.pack(f"<{count}Q", *(3 * cluster + n * cluster for n in range(count)))
    l2 += struct.pack("<Q", 1)  # zeros, whatever is behind
    l1 = struct.pack("<Q", 2 * cluster)
    return b"".join(x.ljust(cluster, b"\0") for x in (head, l1, l2)) + DATA


def parallels(magic: bytes = b"WithouFreSpacExt") -> bytes:
    block, extended = 8 * KIB, magic.endswith(b"Ext")
    head = struct.pack(
        "<16s5IQ", magic, 2, 16, 0, block // 512, SIZE // block, SIZE // 512
    )
    unit = 1 if extended else block // 512
    entries = [(n + 1) * unit for n in range(HALF // block)]
    table = struct.pack(f"<{len(entries)}I", *entries)
    return (head.ljust(64, b"\0") + table).ljust(block, b"\0") + DATA


def cloop() -> bytes:
    block = 16 * KIB
    script = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660\n"
    content = DATA + bytes(HALF)
    blocks = [zlib.compress(content[at : at + block]) for at in range(0, SIZE, block)]
    at = 136 + 8 * (len(blocks) + 1)
    offsets = [at + sum(map(len, blocks[:n])) for n in range(len(blocks) + 1)]
    head = script.ljust(128, b"\0") + struct.pack(">2I", block, len(blocks))
    return head + struct.pack(f">{len(offsets)}Q", *offsets) + b"".join(blocks)


def vmdk(parent: bytes = b"", flags: int = 3) -> bytes:
    grain = 8 * KIB
    text = b'# Disk DescriptorFile\nparentFileNameHint="' + parent + b'"\n'
    head = struct.pack(
        *("<4sIIQQQQIQQQ", b"KDMV", 1, flags, SIZE // 512, grain // 512, 1, 1),
        *(512, 0, 2, 16),
    )
    entries = [16 + n * grain // 512 for n in range(HALF // grain)]
    directory = struct.pack("<I", 3).ljust(512, b"\0")
    table = struct.pack(f"<{len(entries)}I", *entries).ljust(2048, b"\0")
    front = head.ljust(512, b"\0") + text.ljust(512, b"\0") + directory + table
    return front.ljust(16 * 512, b"\0") + DATA


def vmdk_esx() -> bytes:
    head = struct.pack("<4sIIIIII", b"COWD", 1, 3, SIZE // 512, 16, 4, 1)
    entries = [64 + n * 16 for n in range(HALF // 8192)]
    table = struct.pack(f"<{len(entries)}I", *entries)
    front = head.ljust(2048, b"\0") + struct.pack("<I", 5).ljust(512, b"\0") + table
    return front.ljust(64 * 512, b"\0") + DATA


def cow(backing: bytes = b"base.img") -> bytes:
    return struct.pack(">4sI1024siQI", b"OOOM", 2, backing, 0, SIZE, 512)


def bochs(version: int = 0x00020000) -> bytes:
    head = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0")
    head += b"Growing".ljust(16, b"\0")
    head += struct.pack("<5I", version, 512, 1, 1, 4096)
    time = struct.pack("<I", 0) if version == 0x00020000 else b""
    return (head + time + struct.pack("<Q", SIZE)).ljust(512, b"\0")


def dmg() -> bytes:
    return (
        bytes(1024)
        + b"koly".ljust(492, b"\0")
        + struct.pack(">Q", SIZE // 512).ljust(20, b"\0")
    )


READABLE: Final[dict[str, Callable[[], bytes]]] = {
    "qcow": qcow,
    "vdi": vdi,
    "vpc": vpc,
    "qed": qed,
    "parallels": parallels,
    "cloop": cloop,
    "vmdk": vmdk,
}
"""What makes an image with the data, by format."""

TOLD_ONLY: Final[dict[str, Callable[[], bytes]]] = {
    "cow": lambda: cow(b""),
    "bochs": bochs,
    "dmg": dmg,
}
"""What makes an image of which only the header is read, by format."""
