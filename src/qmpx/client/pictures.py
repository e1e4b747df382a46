"""Pictures of a screen as PNG, also from a QEMU that writes PPM only (before 7.1).

Source: PNG specification, third edition; ppm(5).
"""

import re
import struct
import zlib
from typing import Final

from qmpx.errors import RemoteProtocolError

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PPM: Final = re.compile(rb"P6\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s")


def as_png(picture: bytes) -> bytes:
    """Return a picture as PNG, which it may be already.

    Raises:
        RemoteProtocolError: It is neither a PNG nor a PPM with 8 bits for a colour.
    """
    if picture.startswith(PNG_SIGNATURE):
        return picture
    head = _PPM.match(picture)
    if head is None:
        start = picture[:16]
        message = f"the picture is neither PNG nor PPM: it begins with {start!r}"
        raise RemoteProtocolError(message)
    width, height = int(head[1]), int(head[2])
    row = width * 3
    pixels = memoryview(picture)[head.end() :]
    if len(pixels) < row * height:
        message = f"the picture is cut off: {len(pixels)} of {row * height} bytes"
        raise RemoteProtocolError(message)
    # Each row is preceded by its filter: 0, none.
    lines = b"".join(b"\0" + pixels[row * y : row * (y + 1)] for y in range(height))
    return b"".join(
        (
            PNG_SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(lines)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return (
        struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
    )
